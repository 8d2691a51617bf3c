"""The field catalogue: the system fields that the twin's contacts have."""

from __future__ import annotations

from audience_assets.sandbox.emarsys.answers import envelope
from audience_assets.sandbox.emarsys.call import Call, Operation
from audience_assets.sandbox.messages import Response

FIELDS = (
    {"id": 3, "name": "E-Mail", "application_type": "longtext", "string_id": "email"},
    {"id": 31, "name": "Opt-In", "application_type": "singlechoice", "string_id": "optin"},
)


def list_fields(_: Call) -> Response:
    return envelope(list(FIELDS), rows=len(FIELDS))


OPERATIONS = (
    Operation("listAvailableFields", "GET", "/field/translate/{id}", "field.list", list_fields),
    Operation("listFields", "GET", "/field", "field.get", list_fields),
)

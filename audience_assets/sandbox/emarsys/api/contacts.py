"""Looking contacts up. https://dev.emarsys.com/docs/core-api-reference: "Contacts" """

from __future__ import annotations

from typing import Any

from audience_assets.sandbox.emarsys.answers import Refusal, envelope, row_errors, several, unknown
from audience_assets.sandbox.emarsys.call import KEYS, Call, Operation
from audience_assets.sandbox.emarsys.contacts import Contact
from audience_assets.sandbox.messages import Response

MOST_VALUES = 1000
MOST_ROWS = 10_000


def check_ids(call: Call) -> Response:
    """Internal ids by value. A `contact_list_id` adds everybody found to that list, as at Emarsys."""
    key, values = call.key(), _values(call.field("external_ids"))
    multiple = call.field("get_multiple_ids") is True and call.switches.multiple_ids
    ids: dict[str, Any] = {}
    errors: dict[str, dict[str, str]] = {}
    for value in values:
        found = call.account.contacts.find(key, value)
        told = call.told(value)
        if not found:
            errors[told] = unknown(key, told, long=False)
        elif len(found) > 1 and not multiple:
            errors[told] = several(key, told)
        else:
            ids[told] = [str(each.id) for each in found] if multiple else str(found[0].id)
    _add_to_list(call, ids)
    return envelope({"ids": ids or [], "errors": row_errors(errors)}, rows=len(values))


def _add_to_list(call: Call, ids: dict[str, Any]) -> None:
    wanted = call.field("contact_list_id")
    if wanted is None:
        return
    target = call.account.find_list(int(wanted))
    if target is None:
        raise Refusal(400, 2020, "Invalid contact list id")
    if call.applied:
        every = [each if isinstance(each, list) else [each] for each in ids.values()]
        target.add(int(each) for some in every for each in some)


def get_data(call: Call) -> Response:
    """Fields by contact; `result` is false when nobody was found."""
    key, values = call.key("keyId"), _values(call.field("keyValues"))
    fields = [str(each) for each in call.field("fields") or []]
    rows: list[dict[str, Any]] = []
    errors = []
    for value in values:
        found = call.account.contacts.find(key, value)
        if len(found) == 1:
            rows.append({"id": str(found[0].id), "uid": found[0].uid, **_fields(found[0], fields)})
            continue
        code = 2010 if found else 2008
        text = "More contacts found" if found else "No contact found"
        errors.append({"key": value, "errorCode": code, "errorMsg": f"{text} with the external id: {key}"})
    return envelope({"errors": errors, "result": rows or False}, rows=len(rows))


def query_contacts(call: Call) -> Response:
    """`?return=3&3=ana@example.com`: everybody with the value."""
    query = dict(call.request.query())
    returned = query.pop("return", "")
    size, offset = query.pop("limit", str(MOST_ROWS)), query.pop("offset", "0")
    if not size.isdigit() or not 1 <= int(size) <= MOST_ROWS or not offset.isdigit():
        raise Refusal(400, 2016, "Invalid limit")
    if len(query) != 1 or not returned:
        raise Refusal(400, 1001, "Invalid or missing parameters")
    [(field, value)] = query.items()
    if field not in KEYS:
        raise Refusal(400, 2015, "The column is not indexed")
    found = call.account.contacts.find(KEYS[field], value)[int(offset) :][: int(size)]
    rows = [{"id": str(each.id), **_fields(each, [returned])} for each in found]
    return envelope({"errors": [], "result": rows}, rows=len(rows))


def _fields(contact: Contact, names: list[str]) -> dict[str, str | None]:
    return {name: contact.fields.get(name) for name in names if name.isdigit()}


def _values(given: Any) -> list[str]:
    if not isinstance(given, list):
        raise Refusal(400, 2003, "Array expected")
    if len(given) > MOST_VALUES:
        raise Refusal(400, 2002, f"Too many values, the limit is {MOST_VALUES}")
    return [str(each) for each in given]


OPERATIONS = (
    Operation("verifyContactInternalIdentifiers", "POST", "/contact/checkids", "contact.contactid.verify", check_ids),
    Operation("getContactData", "POST", "/contact/getdata", "contact.getdata", get_data),
    Operation("listContactData", "GET", "/contact/query", "contact.list", query_contacts),
)

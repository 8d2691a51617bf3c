"""Can a field be mapped: as what people are known by, or as an attribute of theirs."""

from __future__ import annotations

from audience_assets.project.fields import Fields
from audience_assets.project.places import Place

IDENTIFIER_TYPES = ("text", "integer", "uuid")


def check_field(
    fields: Fields, model: str, field: str, place: Place, *, identifier: bool = False, attribute: bool = False
) -> None:
    """A mapped field is one of the model, or of a model it belongs to; people are named by columns only."""
    if "." in field:
        if fields.resolve(model, field, place) is None:
            return
        model, field = fields.owner(model, field) or (model, field)
    declared = fields.settings.models[model].fields
    if field in declared:
        if identifier and declared[field].type not in IDENTIFIER_TYPES:
            place.report(f"{field!r} is {declared[field].type}; an identifier is text")
    elif field in fields.settings.calculated_fields.get(model, {}):
        if not attribute:
            place.report(f"{field!r} is calculated; people are known by a field of the table")
    elif field == fields.settings.models[model].key:
        place.report(f"{field!r} is the key: declare it under `fields` of {model!r} to map it")
    elif not fields.may_be(model, field):
        place.unknown("field", field, declared, where=f"in the model {model!r}")

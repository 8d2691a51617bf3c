"""Can a campaign be measured as it says: an events model of its people, and numbers in it."""

from __future__ import annotations

from audience_assets.project.campaigns import Measurement, Value
from audience_assets.project.fields import Fields
from audience_assets.project.operators import NUMERIC_TYPES
from audience_assets.project.places import Place, nearest


def check_measurement(measurement: Measurement, model: str, fields: Fields, place: Place) -> None:
    """`model` is the campaign's users model."""
    conversion = measurement.conversion
    if conversion is not None:
        known = _check_events(conversion.model, model, fields, place.at("conversion", "model"))
        if known and conversion.order_field is not None:
            fields.resolve(conversion.model, conversion.order_field, place.at("conversion", "order_field"))
    for name, value in (("value", measurement.value), ("items", measurement.items)):
        if value is not None:
            _check_value(value, model, fields, place.at(name))


def _check_value(value: Value, users: str, fields: Fields, place: Place) -> None:
    if not _check_events(value.model, users, fields, place.at("model")):
        return
    kind = fields.resolve(value.model, value.field, place.at("field"))
    if kind is not None and kind not in NUMERIC_TYPES:
        place.at("field").report(f"{value.field!r} is {kind}; what is summed is a number")


def _check_events(name: str, users: str, fields: Fields, place: Place) -> bool:
    models = fields.settings.models
    if name not in models:
        if name not in fields.damaged:
            place.unknown("model", name, models)
        return False
    if models[name].type != "events":
        place.report(
            f"the model {name!r} is no events model: nobody knows when its rows happened",
            nearest(name, [each for each, model in models.items() if model.type == "events"]),
        )
        return False
    return fields.to_many(users, name, place) is not None

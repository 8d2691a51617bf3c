"""Do the insights settings make sense."""

from __future__ import annotations

from audience_assets.project.check_values import check_duration
from audience_assets.project.fields import Fields
from audience_assets.project.models import Insights, ReachChannel
from audience_assets.project.operators import NUMERIC_TYPES
from audience_assets.project.places import Place, nearest


def check_insights(insights: Insights, fields: Fields, place: Place) -> None:
    """Against the users models; a field that any of them has is fine, because each segment uses its own."""
    users = [name for name, model in fields.settings.models.items() if model.type == "users"]
    check_duration(insights.active_within, place.at("active_within"))
    if insights.value_model is not None:
        _check_value(insights, fields, users, place)
    elif insights.value_field is not None:
        place.at("value_field").report("`value_field` needs `value_model`: the related model that holds it")
    for name, channel in insights.channels.items():
        _check_channel(channel, fields, users, place.at("channels", name))
    for index, field in enumerate(insights.breakdowns):
        _check_users_field(field, fields, users, place.at("breakdowns", index))


def _check_value(insights: Insights, fields: Fields, users: list[str], place: Place) -> None:
    name = insights.value_model or ""
    if name not in fields.settings.models:
        if name not in fields.damaged:
            place.at("value_model").unknown("model", name, fields.settings.models)
        return
    related = {link.model for each in users for link in fields.links(each) if link.to_many}
    if name not in related and not fields.damaged:
        place.at("value_model").report(f"no users model has a has_many relationship to {name!r}")
    if fields.lacks_time(name):
        place.at("value_model").report(f"the model {name!r} has no timestamp to tell who is active")
    if insights.value_field is not None:
        kind = fields.own(name, insights.value_field, place.at("value_field"))
        if kind is not None and kind not in NUMERIC_TYPES:
            place.at("value_field").report(f"{insights.value_field!r} is {kind}; a value is a number")


def _check_channel(channel: ReachChannel, fields: Fields, users: list[str], place: Place) -> None:
    if (channel.field is None) == (not channel.fields):
        place.report("a channel has either `field` or `fields`")
    if channel.field is not None:
        _check_users_field(channel.field, fields, users, place.at("field"))
    for index, field in enumerate(channel.fields):
        _check_users_field(field, fields, users, place.at("fields", index))
    if channel.consent is not None and not fields.damaged:
        _check_consent(fields, users, place.at("consent"))


def _check_consent(fields: Fields, users: list[str], place: Place) -> None:
    """As for a consent condition: which history counts must not be a guess."""
    models = fields.settings.models
    if not any(model.role == "consent" for model in models.values()):
        place.report("no model has `role: consent`")
    for each in users:
        found = [link.model for link in fields.links(each) if link.to_many and models[link.model].role == "consent"]
        if len(found) > 1:
            place.report(
                f"reach needs one model with `role: consent` that {each!r} has many of; there is more than one: "
                f"{', '.join(found)}",
                "leave `consent` out of the channel",
            )


def _check_users_field(field: str, fields: Fields, users: list[str], place: Place) -> None:
    known = [name for each in users for name in fields.names(each)]
    if field not in known and not fields.damaged and not any(fields.may_be(each, field) for each in users):
        place.report(f"no users model has a field {field!r}", nearest(field, known))

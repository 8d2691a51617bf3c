"""Do the insights settings make sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audience_assets.project.check_settings import check_clock
from audience_assets.project.check_values import check_duration
from audience_assets.project.fields import Fields
from audience_assets.project.models import Insights, ReachChannel
from audience_assets.project.operators import NUMERIC_TYPES
from audience_assets.project.places import Place, nearest

VALUE_FIELDS = ("value_field", "order_field", "items_field")


def check_insights(insights: Insights, fields: Fields, segments: Mapping[str, str | None], place: Place) -> None:
    """Against the users models; a field that any of them has is fine, because each segment uses its own.

    `segments` are the declared ones with their users model, which is None where it could not be read.
    """
    users = [name for name, model in fields.settings.models.items() if model.type == "users"]
    check_duration(insights.active_within, place.at("active_within"))
    if insights.value_model is not None:
        _check_value(insights, fields, users, place)
    else:
        for name in VALUE_FIELDS:
            if getattr(insights, name) is not None:
                place.at(name).report(f"`{name}` needs `value_model`: the related model that holds it")
    for name, channel in insights.channels.items():
        _check_channel(channel, fields, users, place.at("channels", name))
    for index, field in enumerate(insights.breakdowns):
        _check_users_field(field, fields, users, place.at("breakdowns", index))
    _check_overlap(insights.overlap, segments, place.at("overlap"))
    if insights.daily_at is not None:
        check_clock(insights.daily_at, place.at("daily_at"))


def _check_overlap(names: Sequence[str], segments: Mapping[str, str | None], place: Place) -> None:
    """Two segments or more, of one users model: others have no member in common."""
    for index, name in enumerate(names):
        if name not in segments:
            place.at(index).unknown("segment", name, segments)
        elif name in names[:index]:
            place.at(index).report(f"the segment {name!r} is compared already")
    if len(names) == 1:
        place.report("there is nothing to compare one segment with")
    models = {model for name in names if (model := segments.get(name)) is not None}
    if len(models) > 1:
        place.report(f"the segments are of different users models: {', '.join(sorted(models))}")


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
    for setting in VALUE_FIELDS:
        field = getattr(insights, setting)
        kind = fields.own(name, field, place.at(setting)) if field is not None else None
        if kind is not None and kind not in NUMERIC_TYPES and setting != "order_field":
            word = "a value" if setting == "value_field" else "the number of items"
            place.at(setting).report(f"{field!r} is {kind}; {word} is a number")


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

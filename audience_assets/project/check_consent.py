"""Do consent settings make sense: where consent times come from, and that every channel has one."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel

from audience_assets.destinations.base import ServiceSpec
from audience_assets.project.activations import ConsentEvents, ConsentSettings
from audience_assets.project.fields import Fields
from audience_assets.project.merged import Merged
from audience_assets.project.operators import TEMPORAL_TYPES
from audience_assets.project.places import Place, did_you_mean
from audience_assets.project.service_options import every_channel

SettingPlace = Callable[..., Place]


def check_consent(
    fields: Fields, model: str, spec: ServiceSpec, options: BaseModel, merged: Merged, at: SettingPlace
) -> None:
    """`at` gives the place of an effective setting."""
    consent = ConsentSettings.model_validate(merged.data["consent"])
    if consent.import_history and not spec.carries_consent:
        at("consent", "import_history").report(f"{spec.name} carries no consent")
        return
    channels = every_channel(spec, options)
    if consent.history is not None:
        _check_history(fields, model, consent.history, at)
        for channel in consent.history.channels:
            # Other channels may be named, so that their entries are known to be none of ours.
            if channel not in channels and did_you_mean(channel, channels):
                at("consent", "history", "channels", channel).unknown("channel", channel, channels)
    for channel, field in consent.consent_at.items():
        place = at("consent", "consent_at", channel)
        if channel not in channels:
            place.unknown("channel", channel, channels, where=f"of {spec.name}")
        _check_time(fields, model, field, place)
    for channel in spec.channels(options) if consent.import_history and consent.history is None else ():
        if channel not in consent.consent_at:
            at("consent", "import_history").report(
                f"channel {channel} has no consent time to import",
                f"set consent.consent_at.{channel}, or consent.history",
            )


def _check_time(fields: Fields, model: str, field: str, place: Place) -> None:
    declared = fields.settings.models[model].fields
    if field not in declared:
        if not fields.may_be(model, field):
            place.unknown("field", field, declared, where=f"in the model {model!r}")
    elif declared[field].type not in TEMPORAL_TYPES:
        place.report(f"{field!r} is {declared[field].type}; a consent time is a timestamp or a date")


def _check_history(fields: Fields, users: str, history: ConsentEvents, at: SettingPlace) -> None:
    place = at("consent", "history", "model")
    models = fields.settings.models
    if history.model not in models:
        if history.model not in fields.damaged:
            place.unknown("model", history.model, models)
        return
    if models[history.model].role != "consent":
        place.report(f"the model {history.model!r} has no `role: consent`")
    if fields.to_many(users, history.model, place) is None:
        return
    declared = models[history.model].fields
    for key in ("channel", "status", "source"):
        name = getattr(history, key)
        if name is not None and name not in declared and not fields.may_be(history.model, name):
            at("consent", "history", key).unknown("field", name, declared, where=f"in the model {history.model!r}")
    for status in set(history.opted_in) & set(history.opted_out):
        at("consent", "history", "opted_in").report(f"the status {status!r} can't mean opted in and opted out")

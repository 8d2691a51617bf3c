"""Do settings make sense by themselves, whether an activation says them or a destination's defaults."""

from __future__ import annotations

import re
from collections.abc import Sequence

import phonenumbers

from audience_assets.destinations.identifiers import ISO_CODES
from audience_assets.project.activations import ActivationSettings
from audience_assets.project.check_values import check_duration
from audience_assets.project.effective import TEMPLATE_NAMES, template_mistake
from audience_assets.project.names import check_owners, check_tag
from audience_assets.project.places import Place, did_you_mean

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def check_settings(settings: ActivationSettings, place: Place, list_names: Sequence[str] = TEMPLATE_NAMES) -> None:
    """Times, durations, templates, owners and tags; `list_names` are what a list's name can be filled with."""
    name = settings.list_name
    if name is not None and check_template(name, list_names, place.at("list_name")) and not name.strip():
        place.at("list_name").report("a list needs a name")
    if settings.schedule is not None:
        check_clock(settings.schedule.at, place.at("schedule", "at"))
    if settings.guard is not None and settings.guard.max_source_age is not None:
        check_duration(settings.guard.max_source_age, place.at("guard", "max_source_age"), fixed=True)
    if settings.fresh_within is not None:
        check_duration(settings.fresh_within, place.at("fresh_within"), fixed=True)
    if settings.mapping is not None and settings.mapping.default_region is not None:
        _check_region(settings.mapping.default_region, place.at("mapping", "default_region"))
    check_owners(settings.owners or [], place.at("owners"))
    for key, value in (settings.tags or {}).items():
        check_tag(key, value, place.at("tags", key))


def check_clock(text: str, place: Place) -> None:
    if not _CLOCK.fullmatch(text):
        place.report(f"{text!r} is not a time of day: write HH:MM, e.g. 06:00")


def check_template(template: str, names: Sequence[str], place: Place) -> bool:
    """Whether a name's template can be filled in; reported if not."""
    mistake = template_mistake(template, names)
    if mistake is not None:
        word = re.search(r"\{(\w+)", template)
        place.report(mistake, did_you_mean(word[1], names) if word else None)
    return mistake is None


def _check_region(region: str, place: Place) -> None:
    if region in phonenumbers.SUPPORTED_REGIONS:
        return
    better = ISO_CODES.get(region.upper(), region.upper())
    hint = f"did you mean {better!r}?" if better in phonenumbers.SUPPORTED_REGIONS else None
    place.report(f"{region!r} is not an ISO country code such as FR", hint)

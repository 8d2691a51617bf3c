"""A campaign as far as it can be read: a mistake in one sub-audience does not keep the others from being judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from audience_assets.project.campaigns import Campaign, Remaining, SubAudience
from audience_assets.project.places import Place
from audience_assets.project.validation import failed_paths

# Stands in for what has to be there; the campaign is refused anyway.
_SUBSTITUTES: dict[str, Any] = {"include": ["?"]}


@dataclass(frozen=True)
class Part:
    """A sub-audience, or all remaining recipients, and where it stands."""

    declared: SubAudience | Remaining
    place: Place

    @property
    def is_everybody(self) -> bool:
        """Whether it takes whoever comes to it."""
        part = self.declared
        return isinstance(part, Remaining) or (part.where is None and not part.segments)


@dataclass(frozen=True)
class ReadCampaign:
    """`unread` are the settings that had to be left out; `parts` those sub-audiences that could be read."""

    campaign: Campaign
    place: Place
    parts: tuple[Part, ...]
    unread: frozenset[str] = frozenset()


def whole(campaign: Campaign, place: Place) -> ReadCampaign:
    """A campaign whose form has no mistakes."""
    parts = [Part(each, place.at("sub_audiences", index)) for index, each in enumerate(campaign.sub_audiences)]
    if campaign.remaining is not None:
        parts.append(Part(campaign.remaining, place.at("remaining")))
    return ReadCampaign(campaign, place, tuple(parts))


def remains(data: Mapping[str, Any], place: Place) -> ReadCampaign | None:
    """What can still be judged of a campaign whose form has mistakes, which have been reported."""
    try:
        Campaign.model_validate(data)
    except ValidationError as error:
        unread = {str(path[0]) for path in failed_paths(Campaign, error) if path}
    else:
        return None
    left = {key: value for key, value in data.items() if key not in unread}
    try:
        campaign = Campaign.model_validate({**_SUBSTITUTES, **left})
    except ValidationError:
        return None
    return ReadCampaign(campaign, place, tuple(_parts(data, place)), frozenset(unread))


def _parts(data: Mapping[str, Any], place: Place) -> list[Part]:
    written = data.get("sub_audiences")
    found: list[Part] = []
    for index, each in enumerate(written if isinstance(written, list) else ()):
        _read(SubAudience, each, place.at("sub_audiences", index), found)
    _read(Remaining, data.get("remaining"), place.at("remaining"), found)
    return found


def _read(model: type[SubAudience] | type[Remaining], data: Any, place: Place, found: list[Part]) -> None:
    try:
        found.append(Part(model.model_validate(data), place))
    except ValidationError:
        return

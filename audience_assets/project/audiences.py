"""Audiences: what a destination list can be kept equal to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from audience_assets.project.campaigns import Campaign, Group, Remaining, SubAudience
from audience_assets.project.names import slug


@dataclass(frozen=True, slots=True)
class Audience:
    """A segment, or a treatment group of a campaign; `label` is what people call it and, by default, its lists.

    A treatment group has its declared names in `campaign` (the id), `sub_audience` and `group`.
    """

    name: str
    model: str
    label: str
    campaign: str | None = None
    sub_audience: str | None = None
    group: str | None = None


def parts_of(campaign: Campaign) -> list[SubAudience | Remaining]:
    """The sub-audiences in their order, and all remaining recipients at last where they are sent something."""
    return [*campaign.sub_audiences, *([campaign.remaining] if campaign.remaining else [])]


def audience_name(campaign: str, sub_audience: str, group: str) -> str:
    """How a treatment group is told from every other audience: segments have no dots in their names."""
    return f"{campaign}.{slug(sub_audience)}.{slug(group)}"


def treatment_audiences(campaign: Campaign, model: str) -> Iterator[Audience]:
    """One audience for each treatment group; a control group is never one."""
    shared = Counter(slug(group.name) for _, group in _treatments(campaign))
    for part, group in _treatments(campaign):
        words = (
            [campaign.title, group.name] if shared[slug(group.name)] == 1 else [campaign.title, part.name, group.name]
        )
        yield Audience(
            audience_name(campaign.campaign, part.name, group.name),
            model,
            "_".join(words),
            campaign.campaign,
            part.name,
            group.name,
        )


def _treatments(campaign: Campaign) -> Iterator[tuple[SubAudience | Remaining, Group]]:
    for part in parts_of(campaign):
        for group in part.groups:
            if not group.control:
                yield part, group

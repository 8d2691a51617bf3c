"""What a campaign's declaration means: its parts as conditions, and a fingerprint of all that decides who is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from audience_assets.audiences.definition import hash_of, models_hash, nodes, plain, referenced_segments
from audience_assets.project.audiences import parts_of
from audience_assets.project.campaigns import Campaign, Group, SubAudience
from audience_assets.project.conditions import All, Any_, Condition, SegmentMember
from audience_assets.project.project import Project
from audience_assets.project.times import zone
from audience_assets.warehouse.functions import BUCKETS


@dataclass(frozen=True, slots=True)
class Part:
    """A sub-audience; without a condition it is everybody, or, as the `rest`, everybody who is in no other."""

    name: str
    condition: Condition | None
    groups: Sequence[Group]
    rest: bool

    @property
    def control(self) -> str | None:
        return next((group.name for group in self.groups if group.control), None)


def parts(campaign: Campaign) -> list[Part]:
    """The campaign's sub-audiences in order."""
    return [
        Part(each.name, _criteria(each), each.groups, rest=False)
        if isinstance(each, SubAudience)
        else Part(each.name, None, each.groups, rest=True)
        for each in parts_of(campaign)
    ]


def _criteria(part: SubAudience) -> Condition | None:
    """By criteria, by any of the saved segments, or both."""
    found: list[Condition] = [] if part.where is None else [part.where]
    if part.segments:
        found.append(Any_(any=[SegmentMember(segment=name) for name in part.segments]))
    return All(all=found) if found else None


def conditions(campaign: Campaign) -> list[Condition]:
    """Everything that decides who is in which sub-audience."""
    segments: list[Condition] = [SegmentMember(segment=name) for name in (*campaign.include, *campaign.exclude)]
    return segments + [part.condition for part in parts(campaign) if part.condition is not None]


class HeldOut(NamedTuple):
    """A universal control, and how many of the 10,000 buckets it holds out."""

    name: str
    buckets: int


def holdout_in_force(project: Project, name: str, as_of: datetime) -> HeldOut | None:
    """The universal control that the campaign respects on the day of `as_of`."""
    campaign = project.campaigns[name]
    holdout = project.settings.holdouts.get(campaign.holdout or "")
    if holdout is None or holdout.model not in (None, project.campaign_model(name)):
        return None
    today = as_of.astimezone(zone(project.settings.timezone)).date()
    if (holdout.from_ and today < holdout.from_) or (holdout.until and today >= holdout.until):
        return None
    return HeldOut(str(campaign.holdout), int(holdout.percent * BUCKETS / 100))


def holdout_salt(name: str) -> str:
    """A salt that no campaign has: their ids hold no hyphen."""
    return f"holdout-{name}"


def campaign_hash(project: Project, name: str) -> str:
    """Sha-256 of everything that decides who is given which group: the campaign, its segments, holdout and models."""
    campaign = project.campaigns[name]
    named = {node.segment for each in conditions(campaign) for node in nodes(each) if isinstance(node, SegmentMember)}
    segments = named.union(*(referenced_segments(project, each) for each in named))
    holdout = project.settings.holdouts.get(campaign.holdout or "")
    ours = {"include", "exclude", "holdout", "priority_list", "assignment", "split", "model"}
    return hash_of(
        {
            "campaign": campaign.model_dump(mode="json", by_alias=True, include=ours),
            "parts": [
                {
                    "name": part.name,
                    "condition": plain(part.condition) if part.condition else None,
                    "groups": [group.model_dump(mode="json", exclude={"destinations"}) for group in part.groups],
                }
                for part in parts(campaign)
            ],
            "holdout": plain(holdout) if holdout else None,
            "before": outranking(project, name),
            "models": models_hash(project.settings),
            "segments": {each: plain(project.segments[each]) for each in sorted(segments)},
        }
    )


def outranking(project: Project, name: str) -> list[str]:
    """Campaigns that stand before this one in its priority list."""
    listed = project.settings.priority_lists.get(project.campaigns[name].priority_list or "", [])
    return listed[: listed.index(name)] if name in listed else []

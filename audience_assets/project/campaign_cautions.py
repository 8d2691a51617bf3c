"""What is no mistake in a campaign but may do what nobody means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

from audience_assets.destinations.base import DestinationType
from audience_assets.project.audiences import parts_of
from audience_assets.project.campaigns import Campaign, Group
from audience_assets.project.names import slug
from audience_assets.project.project import Project
from audience_assets.project.yaml_text import KeyPath, dotted

UNFINISHED = ("untitled", "copy_of", "new_campaign")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to look at in a campaign, with its place."""

    campaign: str
    check: str
    message: str


def campaign_remarks(project: Project, types: Mapping[str, DestinationType]) -> list[Remark]:
    """Of all campaigns of a checked project but the archived ones, which nobody mends any more."""
    return [
        Remark(name, check, f"{place_of(project, name, path)}: {message}")
        for name, campaign in project.campaigns.items()
        if campaign.state != "archived"
        for check, path, message in _about(project, campaign, types)
    ]


def place_of(project: Project, campaign: str, path: KeyPath) -> str:
    """`campaigns/x.yaml:3: name`, of the nearest thing that is written."""
    found: KeyPath = path
    while found and f"campaigns.{campaign}.{dotted(found)}" not in project.sources:
        found = found[:-1]
    source = project.sources.get(f"campaigns.{campaign}{'.' if found else ''}{dotted(found)}", "campaigns")
    return f"{source}: {dotted(path)}" if path else source


Found = Iterator[tuple[str, KeyPath, str]]


def _about(project: Project, campaign: Campaign, types: Mapping[str, DestinationType]) -> Found:
    yield from _names(campaign)
    yield from _launch(project, campaign, types)
    yield from _consent(project, campaign, types)
    if campaign.assignment == "all_matches":
        yield from _controls(campaign)


def _groups(campaign: Campaign) -> Iterator[tuple[KeyPath, Group]]:
    for number, part in enumerate(parts_of(campaign)):
        where: KeyPath = ("remaining",) if part is campaign.remaining else ("sub_audiences", number)
        for index, group in enumerate(part.groups):
            yield (*where, "groups", index), group


def _names(campaign: Campaign) -> Found:
    title = slug(campaign.title)
    used = sorted({name for _, group in _groups(campaign) for name in group.destinations})
    if title.startswith(UNFINISHED):
        yield "names", ("name",), f"the name {campaign.title!r} says nothing of what the campaign is about"
    yield from _destination_in(campaign.title, used, ("name",), "campaign")
    for path, group in _groups(campaign):
        here = (*path, "name")
        if f"_{title}_" in f"_{slug(group.name)}_":
            told = "files and lists carry both, so the name would stand in them twice"
            yield "names", here, f"the group {group.name!r} repeats the campaign's name: {told}"
        if slug(group.name).startswith(UNFINISHED):
            yield "names", here, f"the name {group.name!r} says nothing of what the group is sent"
        yield from _destination_in(group.name, used, here, "group")


def _destination_in(name: str, used: Sequence[str], path: KeyPath, what: str) -> Found:
    """A destination's name is misleading where other destinations get the same group."""
    words = f"_{slug(name)}_"
    for destination in used if len(used) > 1 else ():
        if f"_{slug(destination)}_" in words:
            others = ", ".join(each for each in used if each != destination)
            yield "names", path, f"the {what} {name!r} names {destination}, and is sent to {others} too"


def _launch(project: Project, campaign: Campaign, types: Mapping[str, DestinationType]) -> Found:
    """A vendor needs its time between a delivery and what people see of it."""
    start = campaign.schedule.start
    if campaign.launch is None or start is None:
        return
    hour, minute = (int(part) for part in campaign.schedule.at.split(":"))
    delivered = datetime.combine(start, time(hour, minute))
    for destination in dict.fromkeys(name for _, group in _groups(campaign) for name in group.destinations):
        hours = _lead_hours(project, campaign, destination, types)
        if campaign.launch < (delivered + timedelta(hours=hours)).date():
            yield (
                "launch",
                ("launch",),
                f"the launch on {campaign.launch} is less than {hours} hours after the first delivery to {destination} "
                f"({delivered:%Y-%m-%d %H:%M}): it may not have everybody by then",
            )


def _consent(project: Project, campaign: Campaign, types: Mapping[str, DestinationType]) -> Found:
    """Where a list is a subscription, a campaign changes what people have agreed to."""
    services = {
        each.service
        for each in project.lists_of(campaign.campaign)
        if types[each.destination_type].services[each.service].carries_consent
    }
    for service in sorted(services):
        told = "entering a group opts people in, and leaving it opts them out"
        yield "consent", ("delivery",), f"{service} keeps subscriptions: {told}"


def _lead_hours(project: Project, campaign: Campaign, destination: str, types: Mapping[str, DestinationType]) -> int:
    its = (each for each in project.lists_of(campaign.campaign) if each.destination == destination)
    return max(types[each.destination_type].services[each.service].lead_hours for each in its)


def _controls(campaign: Campaign) -> Found:
    """Somebody in several sub-audiences has one bucket, so equal shares make them control in all or in none."""
    shares = {
        part.name: sum((group.percent for group in part.groups if group.control), Decimal(0))
        for part in parts_of(campaign)
    }
    if len(set(shares.values())) > 1:
        told = ", ".join(f"{name} {share.normalize():f} %" for name, share in shares.items())
        yield (
            "controls",
            ("assignment",),
            f"control groups differ in size ({told}): with all_matches somebody may be control in one sub-audience and "
            "sent something in another",
        )

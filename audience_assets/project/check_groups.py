"""Do treatment and control groups make sense: percentages of exactly 100, one control that is sent nowhere, names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from decimal import Decimal

from audience_assets.project.campaign_parts import Part
from audience_assets.project.campaigns import Group
from audience_assets.project.names import slug
from audience_assets.project.places import Place

WHOLE = Decimal(100)
LONGEST_NAME = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]*")


def check_title(name: str, what: str, place: Place) -> bool:
    """Whether a name can be a part of file, list and table names; reported if not."""
    if len(name) > LONGEST_NAME:
        place.report(f"the name of a {what} has at most {LONGEST_NAME} characters; this one has {len(name)}")
        return False
    if _NAME.fullmatch(name):
        return True
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    better = re.sub(r"[^A-Za-z0-9 _-]+", "_", plain).strip("_- ")
    place.report(
        f"{name!r} can't name a {what}: use letters, digits, spaces, _ and -, a letter or digit first",
        f"for example {better!r}" if _NAME.fullmatch(better) else None,
    )
    return False


def check_parts(parts: Sequence[Part]) -> None:
    """Sub-audiences have names of their own, also where spelling is lost, as in table names."""
    _own_names([(part.declared.name, part.place.at("name")) for part in parts], "sub-audience")


def check_groups(part: Part, destinations: Collection[str] | None) -> None:
    """The groups of one sub-audience. `destinations` are those declared; None if nobody can tell."""
    groups, place = part.declared.groups, part.place.at("groups")
    total = sum((group.percent for group in groups), Decimal(0))
    if total != WHOLE:
        place.report(f"the percentages of {part.declared.name!r} total {_plain(total)}, not exactly 100")
    controls = [index for index, group in enumerate(groups) if group.control]
    for index in controls[1:]:
        place.at(index, "control").report(
            f"{part.declared.name!r} has a control group already: {groups[controls[0]].name!r}",
            "one control is what every treatment is compared with",
        )
    if len(controls) == len(groups):
        place.report(f"{part.declared.name!r} has no treatment group: nobody would be sent anything")
    _own_names([(group.name, place.at(index, "name")) for index, group in enumerate(groups)], "group")
    for index, group in enumerate(groups):
        _check_destinations(group, place.at(index), destinations)


def _check_destinations(group: Group, place: Place, destinations: Collection[str] | None) -> None:
    if group.control:
        if group.destinations:
            place.at("destinations").report(
                f"the control group {group.name!r} is never sent anywhere", "take its destinations away"
            )
        return
    if not group.destinations:
        place.report(
            f"the group {group.name!r} is sent nowhere",
            "give it `destinations`, or make it the group with control: true",
        )
    for position, name in enumerate(group.destinations):
        here = place.at("destinations", position)
        if destinations is not None and name not in destinations:
            here.unknown("destination", name, destinations)
        elif name in group.destinations[:position]:
            here.report(f"{name!r} stands here twice")


def _own_names(named: Sequence[tuple[str, Place]], what: str) -> None:
    first: dict[str, str] = {}
    for name, place in named:
        if not check_title(name, what, place):
            continue
        other = first.get(slug(name))
        if other is not None:
            told = "is there already" if name == other else f"is the same as {other!r} in the names of lists and tables"
            place.report(f"the {what} {name!r} {told}")
        first.setdefault(slug(name), name)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"

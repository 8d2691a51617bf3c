"""Versions of a campaign's split: a new one whenever shares, groups, sub-audiences, the salt or the holdout change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.campaigns.bucket_map import BucketMap, decode, encode, first_map, rebalanced, shares, sizes
from audience_assets.campaigns.meaning import HeldOut, Part, parts
from audience_assets.project.campaigns import Campaign
from audience_assets.warehouse.state import State

# Below this many people chance alone would make a small group too small, or empty.
SMALL = 10_000
EXACT, HASH = "exact", "hash"
GroupKey = tuple[str, str, bool]  # sub-audience, group, whether it is the control


@dataclass(frozen=True, slots=True)
class PartSplit:
    """How a sub-audience is split; `since` is the first version from which on it has been split so."""

    sub_audience: str
    method: str
    control: str | None
    ranges: BucketMap
    since: int

    @property
    def quotas(self) -> dict[str, int]:
        """Group -> share in buckets, the control first."""
        found = sizes(self.ranges)
        return dict(sorted(found.items(), key=lambda each: each[0] != self.control))


@dataclass(frozen=True)
class Splits:
    """The newest version: every sub-audience in the campaign's order.

    `drawn_since` is the first version with today's salt: who was given a group before is drawn anew. `gone` are groups
    of earlier versions that are no more. `is_new`: the version is made by this very computation; `first`: it is also
    the first one, so nobody has a group yet. `holdout` is what keeps people from the campaign now.
    """

    version: int
    salt: str
    sticky: str
    parts: tuple[PartSplit, ...]
    drawn_since: int
    gone: frozenset[GroupKey]
    is_new: bool
    first: bool
    holdout: HeldOut | None = None

    def part(self, sub_audience: str) -> PartSplit:
        return next(part for part in self.parts if part.sub_audience == sub_audience)


def current_splits(
    connection: Connection,
    state: State,
    campaign: Campaign,
    holdout: HeldOut | None,
    as_of: datetime,
    measure: Callable[[], Mapping[str, int]],
) -> Splits:
    """The campaign's split as declared; a changed one, or another share held out, is written down as a new version.

    `measure` counts the people of each sub-audience, and is asked only where `method: auto` has to choose.
    """
    history = _history(connection, state, campaign.campaign)
    newest = max(history, default=0)
    before = history.get(newest, {})
    salt = _salt(campaign, before)
    declared = parts(campaign)
    methods = _methods(campaign, declared, before, measure)
    held = {"holdout": holdout and holdout.name, "held_buckets": holdout and holdout.buckets}
    wanted = {
        part.name: _row(campaign, part, salt, methods[part.name], _former(before, declared, part)) | held
        for part in declared
    }
    is_new = {name: _plain(row) for name, row in wanted.items()} != {name: _plain(row) for name, row in before.items()}
    if is_new:
        newest += 1
        history[newest] = wanted
        rows = [{**row, "version": newest, "created_at": as_of} for row in wanted.values()]
        connection.execute(sa.insert(state.campaign_split), rows)
    groups = {version: _groups(rows) for version, rows in history.items()}
    return Splits(
        version=newest,
        salt=salt,
        sticky=campaign.split.sticky,
        parts=tuple(_part_split(history, newest, name) for name in wanted),
        drawn_since=_since(history, newest, lambda rows: {row["salt"] for row in rows.values()}),
        gone=frozenset().union(*groups.values()) - groups[newest],
        is_new=is_new,
        first=is_new and newest == 1,
        holdout=holdout,
    )


Rows = dict[str, dict[str, Any]]


def _history(connection: Connection, state: State, campaign: str) -> dict[int, Rows]:
    """Version -> sub-audience -> row."""
    table = state.campaign_split
    columns = [column for column in table.columns if column.name not in ("version", "created_at")]
    query = sa.select(table.c.version, *columns).where(table.c.campaign == campaign).order_by(table.c.version)
    found: dict[int, Rows] = {}
    for row in connection.execute(query).mappings():
        values = {column.name: row[column] for column in columns}
        found.setdefault(row["version"], {})[values["sub_audience"]] = values
    return found


def _salt(campaign: Campaign, before: Rows) -> str:
    if campaign.split.sticky == "reshuffle":
        drawn = campaign.split.round
        return campaign.campaign if drawn == 1 else f"{campaign.campaign}-{drawn}"
    return next((row["salt"] for row in before.values()), campaign.campaign)


def _methods(
    campaign: Campaign, declared: list[Part], before: Rows, measure: Callable[[], Mapping[str, int]]
) -> dict[str, str]:
    """What `auto` has chosen for a sub-audience stays so: a change of method would move people."""
    chosen = campaign.split.method
    if chosen != "auto":
        return {part.name: chosen for part in declared}
    if campaign.split.stratify_by:
        return {part.name: EXACT for part in declared}
    found = {part.name: before[part.name]["method"] for part in declared if part.name in before}
    if len(found) < len(declared):
        people = measure()
        for part in declared:
            found.setdefault(part.name, EXACT if people.get(part.name, 0) < SMALL else HASH)
    return found


def _former(before: Rows, declared: list[Part], part: Part) -> dict[str, Any] | None:
    """The row that a sub-audience had; also under its former name, if one alone goes and one alone comes."""
    names = {each.name for each in declared}
    gone, come = before.keys() - names, names - before.keys()
    renamed = next(iter(gone)) if len(gone) == len(come) == 1 and part.name in come else part.name
    return before.get(renamed)


def _row(campaign: Campaign, part: Part, salt: str, method: str, before: dict[str, Any] | None) -> dict[str, Any]:
    wanted = shares(part.groups)
    same_draw = before is not None and before["salt"] == salt
    ranges = _carried(before, part.control, wanted) if before and same_draw else first_map(wanted)
    return {
        "campaign": campaign.campaign,
        "sub_audience": part.name,
        "salt": salt,
        "method": method,
        "sticky": campaign.split.sticky,
        "assignment": campaign.assignment,
        "control": part.control,
        "ranges": encode(ranges),
    }


def _carried(before: dict[str, Any], control: str | None, wanted: Mapping[str, int]) -> BucketMap:
    """The map it had with other shares. A control keeps its buckets whatever it is called now."""
    ranges = decode(before["ranges"])
    if control is not None and before["control"] is not None:
        taken = any(each.group == control for each in ranges)
        if not taken:
            ranges = tuple(replace(each, group=control) if each.group == before["control"] else each for each in ranges)
    return rebalanced(ranges, wanted)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "ranges": decode(row["ranges"])}


def _groups(rows: Rows) -> frozenset[GroupKey]:
    return frozenset(
        (name, group, group == row["control"]) for name, row in rows.items() for group in sizes(decode(row["ranges"]))
    )


def _part_split(history: dict[int, Rows], newest: int, name: str) -> PartSplit:
    row = history[newest][name]

    def split_by(rows: Rows) -> Any:
        its = rows.get(name)
        return its and {key: its[key] for key in ("salt", "method", "ranges", "control")}

    since = _since(history, newest, split_by)
    return PartSplit(name, row["method"], row["control"], decode(row["ranges"]), since)


def _since(history: dict[int, Rows], newest: int, of: Callable[[Rows], Any]) -> int:
    """The first version from which on this has been as it is now."""
    since = newest
    for version in sorted(history, reverse=True):
        if of(history[version]) != of(history[newest]):
            break
        since = version
    return since

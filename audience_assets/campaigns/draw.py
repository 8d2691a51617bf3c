"""How a campaign's people were split since they were last drawn anew: what their results are measured by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.campaigns.bucket_map import decode, sizes
from audience_assets.campaigns.meaning import HeldOut
from audience_assets.campaigns.outcomes import Outcome, VersionSize
from audience_assets.campaigns.srm import GroupSizes
from audience_assets.campaigns.versions import EXACT, GroupKey
from audience_assets.errors import WarehouseError
from audience_assets.warehouse.functions import BUCKETS
from audience_assets.warehouse.state import State

# Names of the two groups that a universal holdout makes.
HELD_OUT, REACHED = "held out", "reached"


@dataclass(frozen=True, slots=True)
class PartSplit:
    """How one version splits one sub-audience. `follows`: those given a group by it come out at these very shares.

    By hash they always do. Where sizes are exact they do not once somebody else is made up for: people of other shares
    under `rebalance`, or of a treatment that is no more, who are handed out again.
    """

    shares: Mapping[str, int]  # group -> buckets
    control: str | None
    exact: bool
    follows: bool = True

    @property
    def treatments(self) -> set[str]:
        return self.shares.keys() - {self.control}

    def is_split_as(self, other: PartSplit) -> bool:
        return (self.shares, self.control, self.exact) == (other.shares, other.control, other.exact)


@dataclass(frozen=True)
class Draw:
    """The versions of the present draw: version -> sub-audience -> how it is split, and the holdout then in force."""

    since: datetime
    versions: Mapping[int, Mapping[str, PartSplit]]
    holdouts: Mapping[int, HeldOut]

    @classmethod
    def read(cls, connection: Connection, state: State, name: str) -> Draw:
        """Raises WarehouseError when the campaign was never computed."""
        table = state.campaign_split
        query = sa.select(table).where(table.c.campaign == name).order_by(table.c.version)
        rows = connection.execute(query).all()
        if not rows:
            raise WarehouseError(
                f"campaign {name} was never computed, so nobody has a group. Compute it: audience-assets campaign "
                f"recipients {name} (or materialize the asset campaign/{name} in Dagster)"
            )
        drawn = max((row.version for row in rows if row.salt != rows[-1].salt), default=0)
        rows = [row for row in rows if row.version > drawn]
        held = {row.version: HeldOut(row.holdout, row.held_buckets) for row in rows if row.holdout is not None}
        return cls(min(row.created_at for row in rows), _versions(rows), held)

    @property
    def first(self) -> int:
        return min(self.versions)

    @property
    def newest(self) -> int:
        return max(self.versions)

    @property
    def held_out_by(self) -> str | None:
        """The universal holdout that was in force last."""
        return self.holdouts[max(self.holdouts)].name if self.holdouts else None

    def order(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Sub-audiences as the newest version has them, then those that are no more and that people came into."""
        newest = self.versions[self.newest]
        known = [name for version in sorted(self.versions, reverse=True) for name in self.versions[version]]
        present = {outcome.sub_audience for outcome in outcomes}
        return [name for name in dict.fromkeys(known) if name in present or name in newest]

    def sizes(self, part: str, given: Sequence[VersionSize]) -> list[GroupSizes]:
        """People by the percentages that split them, whichever version that was; without those who follow none."""
        found: dict[tuple[tuple[str, int], ...], dict[str, int]] = {}
        for each in given:
            its = self.versions[each.split_version].get(part)
            if each.sub_audience == part and its is not None and its.follows:
                observed = found.setdefault(tuple(sorted(its.shares.items())), {})
                observed[each.group] = observed.get(each.group, 0) + each.people
        return [GroupSizes(observed, dict(shares)) for shares, observed in found.items()]

    def unchecked(self, part: str, given: Sequence[VersionSize]) -> int:
        """How many people were given a group by a version whose shares they need not follow."""
        its = [each for each in given if each.sub_audience == part]
        return sum(each.people for each in its if not self.versions[each.split_version][part].follows)

    def is_reshared(self, part: str, given: Sequence[VersionSize]) -> bool:
        """The percentages changed while people came."""
        its = [self.versions[each.split_version][part].shares for each in given if each.sub_audience == part]
        return any(shares != its[0] for shares in its)

    def holdout_sizes(self, given: Sequence[VersionSize]) -> list[GroupSizes]:
        """The held out and the others by the share that was held out when they came."""
        found: dict[int, dict[str, int]] = {}
        for each in given:
            observed = found.setdefault(self.holdouts[each.split_version].buckets, {})
            observed[each.group] = observed.get(each.group, 0) + each.people
        return [
            GroupSizes(observed, {HELD_OUT: buckets, REACHED: BUCKETS - buckets}) for buckets, observed in found.items()
        ]


def _versions(rows: Sequence[sa.Row[Any]]) -> dict[int, dict[str, PartSplit]]:
    """From rows in the order of versions."""
    found: dict[int, dict[str, PartSplit]] = {}
    sticky: dict[int, str] = {}
    for row in rows:
        its = PartSplit(sizes(decode(row.ranges)), row.control, row.method == EXACT)
        found.setdefault(row.version, {})[row.sub_audience] = its
        sticky[row.version] = row.sticky
    for version, parts in found.items():
        before = [each for number, each in found.items() if number < version]
        gone = {key for each in before for key in _groups(each)} - _groups(parts)
        for name, its in parts.items():
            earlier = [each[name] for each in before if name in each]
            follows = not its.exact or _follows(its, earlier, gone, rebalances=sticky[version] == "rebalance")
            parts[name] = replace(its, follows=follows)
    return found


def _groups(parts: Mapping[str, PartSplit]) -> set[GroupKey]:
    return {(name, group, group == its.control) for name, its in parts.items() for group in its.shares}


def _follows(its: PartSplit, earlier: Sequence[PartSplit], gone: set[GroupKey], *, rebalances: bool) -> bool:
    if any(its.control is None if was_control else group not in its.treatments for _, group, was_control in gone):
        return False
    if rebalances:
        return all(each.is_split_as(its) and each.follows for each in earlier)
    # Newcomers make up for whoever came since the shares have been these.
    return not earlier or not earlier[-1].is_split_as(its) or earlier[-1].follows

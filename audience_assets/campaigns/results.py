"""A campaign's results: every group's outcome, each treatment over its control, and whether the split was sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.campaigns.bucket_map import decode, sizes
from audience_assets.campaigns.comparison import Comparison, compare
from audience_assets.campaigns.measures import measured
from audience_assets.campaigns.outcomes import Ledger, Outcome, VersionSize, count_outcomes, together
from audience_assets.campaigns.srm import GroupSizes, SampleRatio, sample_ratio
from audience_assets.campaigns.versions import EXACT
from audience_assets.errors import AudienceError, WarehouseError
from audience_assets.project.campaigns import Campaign
from audience_assets.project.project import Project
from audience_assets.project.times import zone
from audience_assets.warehouse.state import State


@dataclass(frozen=True)
class GroupResult:
    """A group, and how it did over its control; `comparison` is None of the control, and where there is none."""

    outcome: Outcome
    comparison: Comparison | None


@dataclass(frozen=True)
class PartResult:
    """A sub-audience: its groups, the control first, and their sizes against those that the percentages ask for.

    `reshared`: the percentages changed while people came, so groups differ in who came when.
    """

    name: str
    groups: list[GroupResult]
    sample_ratio: SampleRatio
    reshared: bool

    @property
    def warnings(self) -> list[str]:
        found = []
        if self.sample_ratio.broken:
            found.append(
                f"{self.name}: the groups have not the sizes that the percentages ask for"
                f" (p {self.sample_ratio.p:.2g}): people are missing from some more than from others, and no comparison"
                " means anything"
            )
        if self.reshared:
            found.append(
                f"{self.name}: the percentages changed on the way, so one group has more of those who came early than"
                " another; part of a difference may be theirs"
            )
        return found


@dataclass(frozen=True)
class CampaignResults:
    """Measured over `[since, until)`, which ends early (`complete` is False) while the window is not over."""

    campaign: str
    title: str
    launch: date
    window_days: int
    since: datetime
    until: datetime
    complete: bool
    parts: list[PartResult]

    @property
    def warnings(self) -> list[str]:
        """What keeps the numbers from meaning what they seem to."""
        found = (
            []
            if self.complete
            else [f"the window of {self.window_days} {'day' if self.window_days == 1 else 'days'} is not over yet"]
        )
        outcomes = [group.outcome for part in self.parts for group in part.groups]
        late, everybody = sum(each.late for each in outcomes), sum(each.recipients for each in outcomes)
        if late:
            found.append(
                f"{late:,} of {everybody:,} people were given their group after the launch; what they bought between "
                "counts as well, in every group alike"
            )
        for part in self.parts:
            found += part.warnings
        return found


def campaign_results(
    engine: Engine,
    state: State,
    project: Project,
    name: str,
    as_of: datetime,
    *,
    launch: date | None = None,
    window_days: int | None = None,
) -> CampaignResults:
    """Results of a campaign from its launch on, for as long as its window, and until `as_of` at most.

    The launch is the declared one, the schedule's start, or the day on which somebody first got a group; days are those
    of the project's timezone. Raises WarehouseError when the campaign was never computed or something is missing in the
    warehouse, AudienceError when nothing says what counts as a purchase, the launch is still to come, or nobody
    had a group within the window.
    """
    campaign = project.campaigns[name]
    what = measured(project, campaign)
    with explain_missing(engine, project), engine.connect() as connection:
        expect_large_joins(connection)
        splits = _Splits.read(connection, state, name)
        day = launch or campaign.launch or campaign.schedule.start or _day(splits.since, project)
        days = window_days or campaign.measurement.window_days
        since = _midnight(day, project)
        if as_of <= since:
            raise AudienceError(f"the campaign {name} is launched on {day}: there are no results before")
        end = _midnight(day + timedelta(days=days), project)
        until = min(as_of, end).astimezone(UTC)
        ledger = splits.ledger(state, project, campaign)
        outcomes, given = count_outcomes(connection, project, state, name, ledger, what, since, until)
    if not outcomes:
        raise AudienceError(
            f"nobody had a group of the campaign {name} before {until:%Y-%m-%d %H:%M} UTC: it was first computed at "
            f"{splits.since:%Y-%m-%d %H:%M} UTC"
        )
    parts = [_part(part, outcomes, given, splits) for part in splits.order(outcomes)]
    return CampaignResults(name, campaign.title, day, days, since, until, as_of >= end, parts)


@dataclass(frozen=True)
class _Splits:
    """The versions of the present draw: version -> sub-audience -> how it is split."""

    since: datetime
    versions: Mapping[int, Mapping[str, _Split]]

    @classmethod
    def read(cls, connection: Connection, state: State, name: str) -> _Splits:
        table = state.campaign_split
        query = sa.select(table).where(table.c.campaign == name).order_by(table.c.version)
        rows = connection.execute(query).all()
        if not rows:
            raise WarehouseError(
                f"campaign {name} was never computed, so nobody has a group. Compute it: audience-assets campaign "
                f"recipients {name} (or materialize the asset campaign/{name} in Dagster)"
            )
        drawn = max((row.version for row in rows if row.salt != rows[-1].salt), default=0)
        versions: dict[int, dict[str, _Split]] = {}
        for row in rows:
            if row.version > drawn:
                split = _Split(sizes(decode(row.ranges)), row.method == EXACT)
                versions.setdefault(row.version, {})[row.sub_audience] = split
        return cls(min(row.created_at for row in rows if row.version > drawn), versions)

    def ledger(self, state: State, project: Project, campaign: Campaign) -> Ledger:
        key_type = project.models[project.campaign_model(campaign.campaign)].key_type
        table = state.assignment(campaign.campaign, key_type)
        return Ledger(table, min(self.versions), max(self.versions), campaign.assignment == "first_match")

    def order(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Sub-audiences as the newest version has them, then those that are no more and that people came into."""
        newest = self.versions[max(self.versions)]
        known = [name for version in sorted(self.versions, reverse=True) for name in self.versions[version]]
        present = {outcome.sub_audience for outcome in outcomes}
        return [name for name in dict.fromkeys(known) if name in present or name in newest]

    def sizes(self, part: str, given: Sequence[VersionSize]) -> list[GroupSizes]:
        """People by the percentages that split them, whichever version that was."""
        found: dict[tuple[tuple[str, int], ...], dict[str, int]] = {}
        for each in given:
            if each.sub_audience == part:
                shares = self.versions[each.split_version][part].shares
                observed = found.setdefault(tuple(sorted(shares.items())), {})
                observed[each.group] = observed.get(each.group, 0) + each.people
        return [GroupSizes(observed, dict(shares)) for shares, observed in found.items()]

    def is_exact(self, part: str) -> bool:
        return any(parts[part].exact for parts in self.versions.values() if part in parts)


@dataclass(frozen=True, slots=True)
class _Split:
    shares: Mapping[str, int]  # group -> buckets
    exact: bool


def _part(name: str, outcomes: Sequence[Outcome], given: Sequence[VersionSize], splits: _Splits) -> PartResult:
    its = [outcome for outcome in outcomes if outcome.sub_audience == name]
    its.sort(key=lambda each: each.group)
    controls = [outcome for outcome in its if outcome.is_control]
    treatments = [outcome for outcome in its if not outcome.is_control]
    compared = compare(treatments, together(controls))
    groups = [GroupResult(control, None) for control in controls]
    groups += [GroupResult(outcome, found) for outcome, found in zip(treatments, compared, strict=True)]
    found = splits.sizes(name, given)
    # With exact sizes those who came later make up for the percentages before, so theirs follow none.
    comparable = found if len(found) < 2 or not splits.is_exact(name) else []
    return PartResult(name, groups, sample_ratio(comparable), reshared=len(found) > 1)


def _day(instant: datetime, project: Project) -> date:
    return instant.astimezone(zone(project.settings.timezone)).date()


def _midnight(day: date, project: Project) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone(project.settings.timezone)).astimezone(UTC)

"""A campaign's results: every group's outcome, each treatment over its control, and whether the split was sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.campaigns.comparison import Comparison, compare
from audience_assets.campaigns.draw import Draw
from audience_assets.campaigns.measured_people import first_groups, holdout_people
from audience_assets.campaigns.measures import PERCENTILES, measured
from audience_assets.campaigns.outcomes import Outcome, VersionSize, Window, count_outcomes, together
from audience_assets.campaigns.srm import SampleRatio, sample_ratio
from audience_assets.errors import AudienceError
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

    `reshared`: the percentages changed while people came, so groups differ in who came when. `unchecked` people were
    split so that no sizes can be expected of them.
    """

    name: str
    groups: list[GroupResult]
    sample_ratio: SampleRatio
    reshared: bool
    unchecked: int = 0

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
        if self.unchecked:
            found.append(
                f"{self.name}: {self.unchecked:,} people came after the groups changed and made up for those before"
                " them: whether any of them are missing can't be told"
            )
        return found


@dataclass(frozen=True)
class CampaignResults:
    """Measured over `[since, until)`, which ends early (`complete` is False) while the window is not over.

    `holdout` compares everybody who could be reached with those whom the universal holdout kept from the campaign; None
    where it kept nobody. `cap_percentile` is what revenue was capped at.
    """

    campaign: str
    title: str
    launch: date
    window_days: int
    since: datetime
    until: datetime
    complete: bool
    parts: list[PartResult]
    holdout: PartResult | None = None
    cap_percentile: Decimal | None = None

    @property
    def tables(self) -> list[PartResult]:
        """Everything that was compared: each sub-audience, and the holdout."""
        return self.parts + ([self.holdout] if self.holdout else [])

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
        for part in self.tables:
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
    cap_percentile: Decimal | None = None,
) -> CampaignResults:
    """Results of a campaign from its launch on, for as long as its window, and until `as_of` at most.

    The launch is the declared one, the schedule's start, or the day on which somebody first got a group; days are those
    of the project's timezone. What is given goes before what the campaign declares. Raises WarehouseError when the
    campaign was never computed or something is missing in the warehouse, AudienceError when nothing says what counts as
    a purchase, the launch is still to come, or nobody had a group within the window.
    """
    campaign = project.campaigns[name]
    what = measured(project, campaign)
    cap = cap_percentile or campaign.measurement.cap_revenue_percentile
    with explain_missing(engine, project), engine.connect() as connection:
        expect_large_joins(connection)
        draw = Draw.read(connection, state, name)
        day = launch or campaign.launch or campaign.schedule.start or _day(draw.since, project)
        days = window_days or campaign.measurement.window_days
        since = _midnight(day, project)
        if as_of <= since:
            raise AudienceError(f"the campaign {name} is launched on {day}: there are no results before")
        end = _midnight(day + timedelta(days=days), project)
        until = min(as_of, end).astimezone(UTC)
        window = Window(what, since, until, None if cap is None else int(cap * PERCENTILES / 100))
        parts = _parts(connection, state, project, campaign, draw, window)
        holdout = _holdout(connection, state, project, campaign, draw, window) if draw.holdouts else None
    if not parts:
        raise AudienceError(
            f"nobody had a group of the campaign {name} before {until:%Y-%m-%d %H:%M} UTC: it was first computed at "
            f"{draw.since:%Y-%m-%d %H:%M} UTC"
        )
    return CampaignResults(
        name, campaign.title, day, days, since, until, as_of >= end, parts, holdout, cap if window.caps else None
    )


def _parts(
    connection: Connection, state: State, project: Project, campaign: Campaign, draw: Draw, window: Window
) -> list[PartResult]:
    model = project.campaign_model(campaign.campaign)
    ledger = state.assignment(campaign.campaign, project.models[model].key_type)
    people = first_groups(ledger, draw, window.until, first_match=campaign.assignment == "first_match")
    outcomes, given = count_outcomes(connection, project, state, model, people, window)
    return [_part(part, outcomes, given, draw) for part in draw.order(outcomes)] if outcomes else []


def _holdout(
    connection: Connection, state: State, project: Project, campaign: Campaign, draw: Draw, window: Window
) -> PartResult | None:
    model = project.campaign_model(campaign.campaign)
    key_type = project.models[model].key_type
    tables = (state.assignment(campaign.campaign, key_type), state.held_out(campaign.campaign, key_type))
    people = holdout_people(*tables, draw, window.until)
    outcomes, given = count_outcomes(connection, project, state, model, people, window)
    if not any(each.is_control for each in outcomes):
        return None
    sizes = draw.holdout_sizes(given)
    return PartResult(f"holdout {draw.held_out_by}", _compared(outcomes), sample_ratio(sizes), reshared=len(sizes) > 1)


def _part(name: str, outcomes: Sequence[Outcome], given: Sequence[VersionSize], draw: Draw) -> PartResult:
    its = [outcome for outcome in outcomes if outcome.sub_audience == name]
    unchecked = draw.unchecked(name, given)
    ratio = sample_ratio(draw.sizes(name, given))
    return PartResult(
        name,
        _compared(its),
        replace(ratio, expected={}) if unchecked else ratio,
        reshared=draw.is_reshared(name, given),
        unchecked=unchecked,
    )


def _compared(outcomes: Sequence[Outcome]) -> list[GroupResult]:
    """Controls first, then everybody else beside them."""
    ordered = sorted(outcomes, key=lambda each: each.group)
    controls = [outcome for outcome in ordered if outcome.is_control]
    treatments = [outcome for outcome in ordered if not outcome.is_control]
    compared = compare(treatments, together(controls))
    groups = [GroupResult(control, None) for control in controls]
    return groups + [GroupResult(outcome, found) for outcome, found in zip(treatments, compared, strict=True)]


def _day(instant: datetime, project: Project) -> date:
    return instant.astimezone(zone(project.settings.timezone)).date()


def _midnight(day: date, project: Project) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone(project.settings.timezone)).astimezone(UTC)

"""`audience-assets campaign results`: what a campaign's treatments changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from audience_assets.campaigns.comparison import Gain
from audience_assets.campaigns.results import CampaignResults, GroupResult, PartResult, campaign_results
from audience_assets.campaigns.results_file import result_rows, write_results
from audience_assets.campaigns.results_picture import lift_picture
from audience_assets.campaigns.statistics import Interval
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.cli.words import amount, count, moment, percent, table
from audience_assets.project.campaigns import LONGEST_WINDOW
from audience_assets.project.days import FIRST

OVER = "over control"
NUMBERS = (
    "recipients",
    "purchasers",
    "conversion",
    OVER,
    "p",
    "a recipient",
    f"{OVER} ",
    "p ",
    "in all",
)


@declare(
    "results",
    click.argument("campaign"),
    click.option("--launch", type=click.DateTime(["%Y-%m-%d"]), help="Count from this day instead of the launch."),
    click.option(
        "--days",
        type=click.IntRange(min=1, max=LONGEST_WINDOW),
        help="Count for so many days instead of the declared window.",
    ),
    click.option(
        "--cap",
        type=click.FloatRange(50, 100, max_open=True),
        help="Count one person's revenue up to this percentile only, e.g. 99.9, instead of what is declared.",
    ),
    click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help="Write every number to a CSV file, named after the campaign, into this folder.",
    ),
)
def command(
    session: Session, campaign: str, launch: datetime | None, days: int | None, cap: float | None, out: Path | None
) -> None:
    """Show what the treatments of CAMPAIGN changed over their control, with intervals of 95 %.

    Everybody counts in the group they were first given, whether anything was delivered to them or not.
    """
    with session.runtime() as runtime:
        project = runtime.project
        known(campaign, "campaign", project.campaigns)
        if launch is not None and launch.date() < FIRST:
            raise click.UsageError(f"--launch: there are no results from before {FIRST}")
        with session.err.status(f"measuring {campaign}"):
            day = launch.date() if launch else None
            found = campaign_results(
                runtime.engine,
                runtime.state,
                project,
                campaign,
                session.now,
                launch=day,
                window_days=days,
                cap_percentile=None if cap is None else Decimal(str(cap)),
            )
        file = write_results(found, project.campaigns[campaign], out) if out is not None else None
    if session.as_json:
        rows = list(result_rows(found))
        session.answer({"rows": rows, "warnings": found.warnings, "file": str(file) if file else None})
        return
    session.say(*_shown(found))
    if file is not None:
        session.say(f"wrote {file}")


def _shown(found: CampaignResults) -> Iterator[str | Text | Table]:
    until = "" if found.complete else " (so far)"
    yield f"{found.title}: {moment(found.since)} to {moment(found.until)}{until}"
    for part in found.parts:
        yield _table(part, part.name, "over control")
    if found.holdout:
        yield _table(found.holdout, f"everybody, and the {found.holdout.name}", "over held out")
    yield from _capped(found)
    picture = lift_picture(found)
    if picture:
        yield "lift, with intervals of 95 %"
        yield picture
    for warning in found.warnings:
        yield Text.assemble(("warning: ", "yellow"), warning)


def _capped(found: CampaignResults) -> Iterator[str]:
    for part in found.tables if found.cap_percentile else []:
        outcomes = [group.outcome for group in part.groups]
        cap, people = (
            max((each.cap or 0.0 for each in outcomes), default=0.0),
            sum(each.capped or 0 for each in outcomes),
        )
        yield f"{part.name}: revenue counts up to {amount(cap)} a recipient, which {people:,} spent more than"


def _table(part: PartResult, title: str, over: str) -> Table:
    rows = [
        (
            group.outcome.group,
            count(group.outcome.recipients),
            count(group.outcome.purchasers),
            percent(group.outcome.conversion_rate),
            *_over_control(group.comparison.conversions if group.comparison else None),
            amount(group.outcome.revenue_per_recipient),
            *_over_control(group.comparison.revenue if group.comparison else None),
            _total(group),
        )
        for group in part.groups
    ]
    numbers = [name.replace(OVER, over) for name in NUMBERS]
    return table(title, ("group", *numbers), rows, numbers=",".join(numbers))


def _over_control(gain: Gain | None) -> tuple[str, str]:
    """The lift with its interval, and p, adjusted where several treatments were looked at."""
    if gain is None or gain.lift is None:
        return "-", "-"
    adjusted = gain.p if gain.p_adjusted is None else gain.p_adjusted
    return f"{gain.lift:+.1%}{_interval(gain.lift_interval)}", "-" if adjusted is None else f"{adjusted:.3f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval.low:+.1%} to {interval.high:+.1%})"


def _total(group: GroupResult) -> str:
    """What the treatment brought in beyond what as many people of the control did."""
    gain = group.comparison.revenue if group.comparison else None
    return "-" if gain is None else f"{gain.total:+,.2f}"

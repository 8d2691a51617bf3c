"""`audience-assets insights`: what a segment is worth knowing for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from audience_assets.audiences.insight_values import SegmentInsights, small_counts
from audience_assets.audiences.insights import segment_insights
from audience_assets.audiences.trend import TrendPoint, record_insights, segment_trend
from audience_assets.cli.declare import declare
from audience_assets.cli.insight_tables import insight_tables
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh
from audience_assets.cli.session import Session
from audience_assets.cli.words import too_few
from audience_assets.project.describe import describe
from audience_assets.project.needs import audience_needs
from audience_assets.project.project import Project


@declare(
    "insights",
    click.argument("segment"),
    click.option("--refresh/--no-refresh", "fresh", default=True, help="Compute the segment first. On by default."),
)
def command(session: Session, segment: str, fresh: bool) -> None:
    """Show SEGMENT's size and share, whom each channel and list reaches, what its members buy, the waterfall of its
    conditions, how it differs from everybody, and how it went.

    SEGMENT may be a campaign's treatment group, CAMPAIGN.SUB_AUDIENCE.GROUP.
    """
    with session.runtime() as runtime:
        project, engine, state = runtime.project, runtime.engine, runtime.state
        known(segment, "segment or treatment group", [*project.segments, *project.treatments])
        as_of = session.now
        if fresh:
            refresh(session, runtime, [segment], as_of)
        with session.err.status(f"looking at {segment}"):
            needs = audience_needs(project, segment, runtime.destinations)
            found = segment_insights(engine, state, project, segment, as_of, needs)
            record_insights(engine, state, found)
            trend = segment_trend(engine, state, segment)
    small = small_counts(found, project.settings.insights.privacy_floor)
    if session.as_json:
        session.answer({**_plain(found, project), "trend": _trend(trend), "below_privacy_floor": small})
        return
    session.say(*insight_tables(found, trend, project))
    if small:
        session.err.print(too_few(small, project.settings.insights.privacy_floor), markup=False, soft_wrap=True)


def _plain(found: SegmentInsights, project: Project) -> dict[str, Any]:
    steps = [
        {"condition": describe(step.condition, project), "alone": step.alone, "remaining": step.remaining}
        for step in found.waterfall
    ]
    revenue = found.revenue
    return {
        "segment": found.segment,
        "as_of": found.as_of,
        "size": found.size,
        "users": found.users,
        "share": round(found.share, 6),
        "active": found.active,
        "reach": {channel: asdict(reach) for channel, reach in found.reach.items()},
        "any_channel": found.any_channel,
        "lists": {name: asdict(reach) for name, reach in found.lists.items()},
        "value": asdict(found.value) if found.value else None,
        "revenue": {**asdict(revenue), **revenue.ratios} if revenue else None,
        "waterfall": steps,
        "breakdowns": {
            name: [{**asdict(share), "index": share.index} for share in shares]
            for name, shares in found.breakdowns.items()
        },
    }


def _trend(points: Sequence[TrendPoint]) -> list[dict[str, Any]]:
    return [{**asdict(point), "turnover": point.turnover} for point in points]

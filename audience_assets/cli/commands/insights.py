"""`audience-assets insights`: what a segment is worth knowing for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from audience_assets.audiences.insights import SegmentInsights, segment_insights
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh
from audience_assets.cli.session import Session
from audience_assets.cli.words import table
from audience_assets.project.describe import describe
from audience_assets.project.project import Project


@declare(
    "insights",
    click.argument("segment"),
    click.option("--refresh/--no-refresh", "fresh", default=True, help="Compute the segment first. On by default."),
)
def command(session: Session, segment: str, fresh: bool) -> None:
    """Show SEGMENT's size and share, whom each channel reaches, its value, the waterfall of its conditions, and how
    it differs from everybody."""
    with session.runtime() as runtime:
        project = runtime.project
        known(segment, "segment", project.segments)
        as_of = session.now
        if fresh:
            refresh(session, runtime, [segment], as_of)
        with session.err.status(f"looking at {segment}"):
            found = segment_insights(runtime.engine, runtime.state, project, segment, as_of)
    if session.as_json:
        session.answer(_plain(found, project))
    else:
        session.say(*_tables(found, project))


def _plain(found: SegmentInsights, project: Project) -> dict[str, Any]:
    steps = [
        {"condition": describe(step.condition, project), "alone": step.alone, "remaining": step.remaining}
        for step in found.waterfall
    ]
    return {
        "segment": found.segment,
        "as_of": found.as_of,
        "size": found.size,
        "users": found.users,
        "share": round(found.share, 6),
        "active": found.active,
        "reach": {channel: asdict(reach) for channel, reach in found.reach.items()},
        "any_channel": found.any_channel,
        "value": asdict(found.value) if found.value else None,
        "waterfall": steps,
        "breakdowns": {name: [asdict(share) for share in shares] for name, shares in found.breakdowns.items()},
    }


def _tables(found: SegmentInsights, project: Project) -> Iterator[str | Table]:
    yield f"{found.segment}: {found.size:,} of {found.users:,} users ({found.share:.1%}){_active(found)}"
    if found.reach:
        yield _reach(found)
    if found.value:
        value = found.value
        points = ", ".join(f"p{point} {amount:,.2f}" for point, amount in value.percentiles.items())
        yield f"value: {value.total:,.2f} in all, {value.per_member:,.2f} a member; {value.spenders:,} spent: {points}"
    if found.waterfall:
        cells = [
            (describe(step.condition, project), f"{step.alone:,}", f"{step.remaining:,}") for step in found.waterfall
        ]
        yield table("waterfall", ("condition", "alone", "with all above"), cells, numbers="alone, with all above")
    for name in found.breakdowns:
        yield _breakdown(found, name)


def _active(found: SegmentInsights) -> str:
    return "" if found.active is None else f", {found.active:,} of them active"


def _reach(found: SegmentInsights) -> Table:
    cells = [
        (channel, f"{reach.identified:,}", f"{reach.valid:,}", f"{reach.consented:,}")
        for channel, reach in found.reach.items()
    ]
    if found.any_channel is not None:
        cells.append(("any", "", "", f"{found.any_channel:,}"))
    columns = ("channel", "have an address", "a valid one", "and opted in")
    return table("reach", columns, cells, numbers=", ".join(columns[1:]))


def _breakdown(found: SegmentInsights, name: str) -> Table:
    """Each value's share of the members beside its share of everybody; 1.0 is as common as elsewhere."""
    cells = []
    for share in found.breakdowns[name]:
        here = share.members / found.size if found.size else 0.0
        everywhere = share.users / found.users if found.users else 0.0
        index = f"{here / everywhere:.2f}" if everywhere else "-"
        cells.append((share.label, f"{share.members:,}", f"{here:.1%}", f"{everywhere:.1%}", index))
    columns = (name, "members", "share", "of everybody", "index")
    return table(None, columns, cells, numbers=", ".join(columns[1:]))

"""`audience-assets overlap`: how many members segments have in common."""

from __future__ import annotations

from typing import Any

import click

from audience_assets.audiences.overlap import MOST_SEGMENTS, Overlap, segment_overlap
from audience_assets.cli.declare import declare
from audience_assets.cli.insight_tables import overlap_tables
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh
from audience_assets.cli.session import Session


@declare(
    "overlap",
    click.argument("segments", nargs=-1, required=False),
    click.option("--refresh/--no-refresh", "fresh", default=True, help="Compute the segments first. On by default."),
)
def command(session: Session, segments: tuple[str, ...], fresh: bool) -> None:
    """Show how 2 to 10 SEGMENTS overlap: members in common, how much of one is in the other, and how alike they are.

    Treatment groups of campaigns, CAMPAIGN.SUB_AUDIENCE.GROUP, may be among them. Without any, those that
    `insights.overlap` in project.yaml names.
    """
    with session.runtime() as runtime:
        project = runtime.project
        every = [*project.segments, *project.treatments]
        names = list(dict.fromkeys(known(name, "segment or treatment group", every) for name in segments))
        names = names or project.settings.insights.overlap
        if not 2 <= len(names) <= MOST_SEGMENTS:
            raise click.UsageError(f"name 2 to {MOST_SEGMENTS} segments, or list them as insights.overlap")
        if fresh:
            refresh(session, runtime, names, session.now)
        with session.err.status("comparing"):
            found = segment_overlap(runtime.engine, runtime.state, project, names)
    floor = project.settings.insights.privacy_floor
    if session.as_json:
        session.answer(_plain(found, floor))
    else:
        session.say(*overlap_tables(found, floor))


def _plain(found: Overlap, floor: int) -> dict[str, Any]:
    """Pairs with fewer people in common than the privacy floor are left out."""
    return {
        "segments": found.segments,
        "in_any": found.in_any,
        "in_all": found.in_all,
        "sizes": found.sizes,
        "only": {name: found.only(name) for name in found.segments},
        "pairs": [
            {
                "segments": [one, other],
                "both": found.both(one, other),
                "contained": [found.contained(one, other), found.contained(other, one)],
                "jaccard": found.jaccard(one, other),
            }
            for one, other in found.pairs
            if not 0 < found.both(one, other) < floor
        ],
    }

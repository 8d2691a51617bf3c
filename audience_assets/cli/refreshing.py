"""Computing segments before they are looked at or delivered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from audience_assets.audiences.refresh import SegmentRun, refresh_segment
from audience_assets.audiences.stored import in_order
from audience_assets.cli.session import Session
from audience_assets.cli.words import duration
from audience_assets.runtime import Runtime


def refresh(session: Session, runtime: Runtime, segments: Iterable[str], as_of: datetime) -> list[SegmentRun]:
    """Compute each segment once, after those whose membership it asks for, telling which one is at work."""
    runs: list[SegmentRun] = []
    for name in in_order(runtime.project, segments):
        with session.err.status(f"computing {name}"):
            run = refresh_segment(runtime.engine, runtime.state, runtime.project, name, as_of)
        runs.append(run)
        session.say(
            f"segment {name}: {run.size:,} members, {run.entered:,} entered, {run.left:,} left "
            f"({duration(run.duration_seconds)})"
        )
    return runs

"""Computing segments before they are looked at or delivered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from audience_assets.audiences.refresh import SegmentRun, refresh_segment
from audience_assets.audiences.stored import in_order, segments_read
from audience_assets.cli.session import Session
from audience_assets.cli.words import duration
from audience_assets.errors import AudienceError
from audience_assets.runtime import Runtime


def refresh(session: Session, runtime: Runtime, segments: Iterable[str], as_of: datetime) -> list[SegmentRun]:
    """Compute each segment once, after those whose membership it asks for, telling which one is at work."""
    return [_compute(session, runtime, name, as_of) for name in in_order(runtime.project, segments)]


def refresh_each(
    session: Session, runtime: Runtime, segments: Iterable[str], as_of: datetime
) -> dict[str, AudienceError | DBAPIError]:
    """As `refresh`, but one that fails does not keep the others; who failed, and why.

    A segment that asks who joined or left a failed one has failed with it.
    """
    failed: dict[str, AudienceError | DBAPIError] = {}
    for name in in_order(runtime.project, segments):
        broken = next((each for each in segments_read(runtime.project, name) if each in failed), None)
        if broken is not None:
            failed[name] = failed[broken]
            continue
        try:
            _compute(session, runtime, name, as_of)
        except (AudienceError, DBAPIError) as error:
            failed[name] = error
    return failed


def _compute(session: Session, runtime: Runtime, name: str, as_of: datetime) -> SegmentRun:
    with session.err.status(f"computing {name}"):
        run = refresh_segment(runtime.engine, runtime.state, runtime.project, name, as_of)
    session.say(
        f"segment {name}: {run.size:,} members, {run.entered:,} entered, {run.left:,} left "
        f"({duration(run.duration_seconds)})"
    )
    return run

"""Computing audiences before they are looked at or delivered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from audience_assets.audiences.refresh import SegmentRun, refresh_segment
from audience_assets.audiences.stored import in_order
from audience_assets.campaigns.order import segments_before
from audience_assets.campaigns.refresh import CampaignRun, refresh_campaign
from audience_assets.cli.session import Session
from audience_assets.cli.words import duration
from audience_assets.runtime import Runtime


def refresh(session: Session, runtime: Runtime, audiences: Iterable[str], as_of: datetime) -> list[SegmentRun]:
    """Compute each segment once, after those whose membership it asks for, and the campaigns of treatment groups."""
    named = list(audiences)
    campaigns = [runtime.project.audience(name).campaign for name in named]
    runs = _refresh_segments(session, runtime, [name for name in named if name in runtime.project.segments], as_of)
    refresh_campaigns(session, runtime, dict.fromkeys(name for name in campaigns if name), as_of)
    return runs


def refresh_campaigns(
    session: Session, runtime: Runtime, campaigns: Iterable[str], as_of: datetime
) -> list[CampaignRun]:
    """Compute each campaign, after the segments whose membership it asks for, telling which one is at work."""
    runs: list[CampaignRun] = []
    for name in campaigns:
        _refresh_segments(session, runtime, segments_before(runtime.project, name), as_of)
        with session.err.status(f"computing {name}"):
            run = refresh_campaign(runtime.engine, runtime.state, runtime.project, name, as_of)
        runs.append(run)
        session.say(
            f"campaign {name}: {run.size:,} recipients, {run.entered:,} entered, {run.left:,} left "
            f"({duration(run.duration_seconds)})"
        )
    return runs


def _refresh_segments(session: Session, runtime: Runtime, segments: Iterable[str], as_of: datetime) -> list[SegmentRun]:
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

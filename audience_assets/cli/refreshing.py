"""Computing audiences before they are looked at or delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy.exc import DBAPIError

from audience_assets.audiences.refresh import SegmentRun, refresh_segment
from audience_assets.audiences.stored import in_order
from audience_assets.campaigns.order import segments_before
from audience_assets.campaigns.refresh import CampaignRun, refresh_campaign
from audience_assets.cli.session import Session
from audience_assets.cli.words import duration
from audience_assets.errors import AudienceError
from audience_assets.runtime import Runtime


@dataclass
class _Refreshing:
    """Computes each segment and campaign once, telling which one is at work. What has failed fails again."""

    session: Session
    runtime: Runtime
    as_of: datetime
    _done: set[str] = field(default_factory=set)
    _failed: dict[str, AudienceError | DBAPIError] = field(default_factory=dict)

    def audience(self, name: str) -> None:
        """A segment, or the campaign of a treatment group."""
        campaign = self.runtime.project.audience(name).campaign
        if campaign:
            self.campaign(campaign)
        else:
            self.segments([name])

    def segments(self, names: Iterable[str]) -> None:
        """The segments, after those whose membership they ask for."""
        for name in in_order(self.runtime.project, names):
            self._once(f"segment {name}", "members", partial(self._segment, name))

    def campaign(self, name: str) -> None:
        """A campaign, after the segments whose membership it asks for."""
        self.segments(segments_before(self.runtime.project, name))
        self._once(f"campaign {name}", "recipients", partial(self._campaign, name))

    def _segment(self, name: str) -> SegmentRun:
        return refresh_segment(self.runtime.engine, self.runtime.state, self.runtime.project, name, self.as_of)

    def _campaign(self, name: str) -> CampaignRun:
        return refresh_campaign(self.runtime.engine, self.runtime.state, self.runtime.project, name, self.as_of)

    def _once(self, title: str, who: str, compute: Callable[[], SegmentRun | CampaignRun]) -> None:
        if title in self._failed:
            raise self._failed[title]
        if title in self._done:
            return
        try:
            with self.session.err.status(f"computing {title}"):
                run = compute()
        except (AudienceError, DBAPIError) as error:
            self._failed[title] = error
            raise
        self._done.add(title)
        self.session.say(
            f"{title}: {run.size:,} {who}, {run.entered:,} entered, {run.left:,} left "
            f"({duration(run.duration_seconds)})"
        )


def refresh(session: Session, runtime: Runtime, audiences: Iterable[str], as_of: datetime) -> None:
    """Compute each audience and what it is made of, once. Raises what the first failure raises."""
    refreshing = _Refreshing(session, runtime, as_of)
    for name in audiences:
        refreshing.audience(name)


def refresh_each(
    session: Session, runtime: Runtime, audiences: Iterable[str], as_of: datetime
) -> dict[str, AudienceError | DBAPIError]:
    """As `refresh`, but one that fails does not keep the others; which audiences failed, and why."""
    refreshing = _Refreshing(session, runtime, as_of)
    failed: dict[str, AudienceError | DBAPIError] = {}
    for name in audiences:
        try:
            refreshing.audience(name)
        except (AudienceError, DBAPIError) as error:
            failed[name] = error
    return failed


def refresh_campaigns(session: Session, runtime: Runtime, campaigns: Iterable[str], as_of: datetime) -> None:
    """Compute each campaign, after the segments whose membership it asks for."""
    refreshing = _Refreshing(session, runtime, as_of)
    for name in campaigns:
        refreshing.campaign(name)

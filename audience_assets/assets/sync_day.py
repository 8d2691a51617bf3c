"""The sync day: the one partition that all destination lists share.

A list is state, not history: today's key may be delivered many times a day, an older one never. Delivering last month's
day would send today's audience under a wrong date, or tempt somebody to expect last month's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import dagster as dg

from audience_assets.project.project import ProjectFile

# From a sensor's or a schedule's answer to the run it asks for, however busy the daemon is.
ASKING = timedelta(minutes=10)
# Run tag: the day on which a schedule asked for the run, which is after the run's own when it made up for a tick.
ASKED_ON = "audience_assets/asked_on"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SyncDays:
    """The calendar of deliveries of a project; `now` is the clock that decides which day is the newest."""

    settings: ProjectFile
    now: Callable[[], datetime] = utc_now

    @cached_property
    def definition(self) -> dg.DailyPartitionsDefinition:
        """Days from the project's first one up to and including today, in its timezone."""
        first = self.settings.first_sync_day.isoformat()
        return dg.DailyPartitionsDefinition(start_date=first, timezone=self.settings.timezone, end_offset=1)

    def newest(self) -> str:
        """The key of today."""
        return self.key_of(self.now())

    def deliverable(self, created: datetime) -> set[str]:
        """Keys that a run may deliver now: the newest one, and what was the newest when the run was asked for.

        A run that waits in the queue, or works, over midnight still delivers: what it sends is today's audience in any
        case, and nobody would ask for it again.
        """
        return {self.newest(), self.key_of(created), self.key_of(created - ASKING)}

    def refuse_older(self, context: dg.AssetExecutionContext) -> None:
        """Raise Failure unless the run may deliver its sync day."""
        asked, newest = context.partition_key, self.newest()
        record = context.instance.get_run_record_by_id(context.run.run_id)
        allowed = self.deliverable(record.create_timestamp if record else self.now())
        if asked not in allowed and context.run.tags.get(ASKED_ON) not in allowed:
            raise dg.Failure(
                f"Nothing was sent: {asked} is not the newest sync day ({newest}). A list is what it holds now; "
                f"delivering an older day can't bring an older audience back. Materialize {newest} instead.",
                allow_retries=False,
            )

    def key_of(self, instant: datetime) -> str:
        """The sync day that an instant (with a zone) belongs to."""
        return instant.astimezone(ZoneInfo(self.settings.timezone)).strftime(self.definition.fmt)

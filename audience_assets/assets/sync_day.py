"""The sync day: the one partition that all destination lists share.

A list is state, not history: today's key may be delivered many times a day, an older one never. Delivering last month's
day would send today's audience under a wrong date, or tempt somebody to expect last month's.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import dagster as dg


def sync_days(timezone: str, first: date) -> dg.DailyPartitionsDefinition:
    """Days from `first` up to and including today, in the project's timezone."""
    return dg.DailyPartitionsDefinition(start_date=first.isoformat(), timezone=timezone, end_offset=1)


def newest_day(days: dg.DailyPartitionsDefinition, at: datetime | None = None) -> str:
    """The sync day that an instant (with a zone; default now) belongs to."""
    moment = (at or datetime.now(UTC)).astimezone(ZoneInfo(days.timezone))
    return moment.strftime(days.fmt)


def refuse_older(context: dg.AssetExecutionContext, days: dg.DailyPartitionsDefinition) -> None:
    """Raise Failure unless the run is for the newest sync day, or was when it was asked for.

    A run that waits in the queue over midnight still delivers: what it sends is today's audience in any case.
    """
    asked = context.partition_key
    allowed = {newest_day(days)}
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if record is not None:
        allowed.add(newest_day(days, record.create_timestamp))
    if asked not in allowed:
        raise dg.Failure(
            f"Nothing was sent: {asked} is not the newest sync day ({max(allowed)}). A list is what it holds now; "
            f"delivering an older day can't bring an older audience back. Materialize {max(allowed)} instead.",
            allow_retries=False,
        )

"""Schedules: whatever has or has not changed, the lists of a cadence are computed and delivered at its time."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from audience_assets.assets.consent_checks import words_selection
from audience_assets.assets.keys import list_key, segment_key
from audience_assets.assets.staleness import DESTINATION_TAG
from audience_assets.assets.sync_day import ASKED_ON, SyncDays
from audience_assets.project.activations import EffectiveActivation, Schedule
from audience_assets.project.project import Project

CRON_WEEKDAYS = {
    "sunday": 0,
    "monday": 1,
    "tuesday": 2,
    "wednesday": 3,
    "thursday": 4,
    "friday": 5,
    "saturday": 6,
}


def build_schedules(project: Project, days: SyncDays) -> list[dg.ScheduleDefinition]:
    """One schedule for each destination and time; activations that are only started by hand have none.

    The lists of campaigns follow the campaign's own schedule.
    """
    together: dict[tuple[str, str], list[EffectiveActivation]] = {}
    for activation in project.effective.values():
        if activation.trigger != "manual":
            slot = (activation.destination, schedule_name(activation.schedule))
            together.setdefault(slot, []).append(activation)
    return [_schedule(project, f"{destination}_{when}", each, days) for (destination, when), each in together.items()]


def cron(schedule: Schedule) -> str:
    """The schedule as cron, in the project's timezone."""
    hour, minute = (int(part) for part in schedule.at.split(":"))
    match schedule.cadence:
        case "hourly":
            return f"{minute} * * * *"
        case "daily":
            return f"{minute} {hour} * * *"
        case "weekly":
            return f"{minute} {hour} * * {CRON_WEEKDAYS[schedule.weekday]}"


def schedule_name(schedule: Schedule) -> str:
    """`hourly_at_15`, `daily_at_0600`, `weekly_on_monday_at_0600`."""
    hour, minute = schedule.at.split(":")
    match schedule.cadence:
        case "hourly":
            return f"hourly_at_{minute}"
        case "daily":
            return f"daily_at_{hour}{minute}"
        case "weekly":
            return f"weekly_on_{schedule.weekday}_at_{hour}{minute}"


def _schedule(
    project: Project, name: str, activations: list[EffectiveActivation], days: SyncDays
) -> dg.ScheduleDefinition:
    destination = activations[0].destination
    job = dg.define_asset_job(
        f"{name}_job",
        selection=_selection(activations) | words_selection(project, activations),
        description=f"Computes the segments and delivers {len(activations)} lists to {destination}.",
        tags={DESTINATION_TAG: destination},
        executor_def=dg.in_process_executor,
    )

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron(activations[0].schedule),
        execution_timezone=days.definition.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{', '.join(each.name for each in activations)}: for the newest sync day, whatever changed.",
    )
    def deliver_all(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        # Dagster takes keys up to the tick's own day, which is over when the daemon makes up for the tick later.
        return dg.RunRequest(
            partition_key=days.key_of(context.scheduled_execution_time), tags={ASKED_ON: days.newest()}
        )

    return deliver_all


def _selection(activations: Iterable[EffectiveActivation]) -> dg.AssetSelection:
    """Lists with their segments: a segment that counts days changes though no table does."""
    keys = [list_key(activation) for activation in activations]
    segments = {segment_key(activation.audience) for activation in activations}
    return dg.AssetSelection.assets(*keys, *sorted(segments))

"""When campaigns are delivered: once, or again and again until their end. All lists of a campaign go together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from audience_assets.assets.consent_checks import words_selection
from audience_assets.assets.keys import campaign_key, list_key, segment_key
from audience_assets.assets.schedules import cron
from audience_assets.assets.sync_day import ASKED_ON, SyncDays
from audience_assets.campaigns.order import segments_before
from audience_assets.project.activations import EffectiveActivation, Schedule
from audience_assets.project.campaigns import Campaign, CampaignSchedule
from audience_assets.project.project import Project


def build_campaign_schedules(project: Project, days: SyncDays) -> list[dg.ScheduleDefinition]:
    """One schedule for each active campaign that has a first day; the others are delivered by hand, or not at all."""
    return [
        _schedule(project, campaign, project.lists_of(name), days)
        for name, campaign in project.campaigns.items()
        if campaign.schedule.start is not None and project.is_active(name)
    ]


def not_due(schedule: CampaignSchedule, at: datetime) -> str | None:
    """Why a campaign is not delivered at a tick of its schedule; None if it is. `at` is in the project's timezone."""
    start, end = schedule.start, schedule.end
    if start is None or at.date() < start:
        return f"the campaign begins on {start}"
    if schedule.type == "one_time":
        return None if at.date() == start else f"the campaign was delivered on {start}"
    if end.on is not None and at.date() > end.on:
        return f"the campaign ended on {end.on}"
    if end.after is not None and delivery_number(schedule, start, at) > end.after:
        return f"the campaign has had its {end.after} deliveries"
    return None


def delivery_number(schedule: CampaignSchedule, start: date, at: datetime) -> int:
    """Which delivery a tick is, counted from 1 on: ticks between the start and it, whether or not they were made."""
    match schedule.cadence:
        case "hourly":
            first = datetime.combine(start, time(), tzinfo=at.tzinfo)
            return int((at.astimezone(UTC) - first.astimezone(UTC)) / timedelta(hours=1)) + 1
        case "daily":
            return (at.date() - start).days + 1
        case "weekly":
            return (at.date() - start).days // 7 + 1


def _schedule(
    project: Project, campaign: Campaign, lists: Sequence[EffectiveActivation], days: SyncDays
) -> dg.ScheduleDefinition:
    name, its = campaign.campaign, campaign.schedule
    keys = [campaign_key(name), *map(list_key, lists), *map(segment_key, segments_before(project, name))]
    job = dg.define_asset_job(
        f"campaign_{name}_job",
        selection=dg.AssetSelection.assets(*keys) | words_selection(project, lists),
        description=f"Computes the campaign {campaign.title} and delivers its {len(lists)} lists.",
        executor_def=dg.in_process_executor,
    )
    plain = Schedule(cadence=its.cadence, at=its.at, weekday=its.weekday)

    @dg.schedule(
        name=f"campaign_{name}",
        job=job,
        cron_schedule=cron(plain),
        execution_timezone=days.definition.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Delivers the campaign {campaign.title} from {its.start} on, until it ends.",
    )
    def deliver(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(ZoneInfo(days.settings.timezone))
        reason = not_due(its, tick)
        if reason is not None:
            return dg.SkipReason(reason)
        # Dagster takes keys up to the tick's own day, which is over when the daemon makes up for the tick later.
        return dg.RunRequest(
            run_key=f"{name} {tick.isoformat()}",
            partition_key=days.key_of(tick),
            tags={ASKED_ON: days.newest()},
        )

    return deliver

"""Results of campaigns as assets: what each treatment changed, with intervals, tables and a picture."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from audience_assets.assets.failures import stopped
from audience_assets.assets.insight_reports import table
from audience_assets.assets.keys import campaign_key, results_key, source_key, step_name
from audience_assets.assets.resources import WAREHOUSE, WarehouseResource
from audience_assets.assets.results_table import results_table
from audience_assets.assets.sources import warehouse_kind
from audience_assets.campaigns.measures import is_measured, measured
from audience_assets.campaigns.results import CampaignResults, PartResult, campaign_results
from audience_assets.campaigns.results_file import write_results
from audience_assets.campaigns.results_picture import lift_picture
from audience_assets.project.campaign_files import results_file
from audience_assets.project.campaigns import Campaign
from audience_assets.project.project import Project

GROUP = "campaigns"
SCHEDULE = "campaign_results_daily_at_0800"


class ResultsConfig(dg.Config):
    """What somebody who launches a measurement can say."""

    folder: str | None = Field(default=None, description="write the results file there as well")


def build_campaign_results(project: Project) -> list[dg.AssetsDefinition]:
    """One asset for each campaign that can be measured; a draft has nobody to measure."""
    campaigns = [each for each in project.campaigns.values() if each.state != "draft"]
    return [_build(project, each) for each in campaigns if is_measured(project, each)]


def results_schedules(project: Project) -> list[dg.ScheduleDefinition]:
    """Every morning, the campaigns whose window is running, and once more when it is over."""
    launches = {
        name: (campaign.launch, campaign.measurement.window_days)
        for name, campaign in project.campaigns.items()
        if campaign.launch is not None and campaign.state != "draft" and is_measured(project, campaign)
    }
    if not launches:
        return []
    job = dg.define_asset_job(
        "campaign_results_job",
        selection=dg.AssetSelection.assets(*map(results_key, launches)),
        description="Measures campaigns.",
        executor_def=dg.in_process_executor,
    )

    @dg.schedule(
        name=SCHEDULE,
        job=job,
        cron_schedule="0 8 * * *",
        execution_timezone=project.settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Measures campaigns from the day after their launch to the day after their window.",
    )
    def measure_running(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        today = context.scheduled_execution_time.astimezone(ZoneInfo(project.settings.timezone)).date()
        running = [name for name, (launch, days) in launches.items() if is_running(today, launch, days)]
        if not running:
            return dg.SkipReason("no campaign's window is running")
        return dg.RunRequest(run_key=f"results {today}", asset_selection=[results_key(name) for name in running])

    return [measure_running]


def is_running(today: date, launch: date | None, window_days: int) -> bool:
    """Whether there is something new to measure: from the day after the launch to the day after the window's last."""
    return launch is not None and launch < today <= launch + timedelta(days=window_days)


def _build(project: Project, campaign: Campaign) -> dg.AssetsDefinition:
    name = campaign.campaign
    key = results_key(name)

    @dg.asset(
        key=key,
        deps=[campaign_key(name), *_sources(project, campaign)],
        description=(
            f"What **{campaign.title}** changed within {campaign.measurement.window_days} days of its launch: "
            "everybody counts in the group they were first given, delivered or not."
        ),
        group_name=GROUP,
        owners=campaign.owners,
        kinds={warehouse_kind(project), "sql"},
        metadata={"file": results_file(campaign)},
        required_resource_keys={WAREHOUSE},
    )
    def measure(context: dg.AssetExecutionContext, config: ResultsConfig) -> Iterator[dg.MaterializeResult[None]]:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        with stopped(f"results of the campaign {name}"):
            runtime = warehouse.runtime
            found = campaign_results(runtime.engine, runtime.state, runtime.project, name, runtime.now())
        metadata = results_metadata(found)
        if config.folder is not None:
            metadata["file"] = dg.MetadataValue.path(write_results(found, campaign, Path(config.folder)))
        yield dg.MaterializeResult(metadata=metadata)

    assert measure.op.name == step_name(key)  # noqa: S101 - run config and notices name steps by it
    return measure


def _sources(project: Project, campaign: Campaign) -> list[dg.AssetKey]:
    what = measured(project, campaign)
    models = [what.orders, *(each.model for each in (what.value, what.items) if each is not None)]
    return [source_key(name, project.models[name]) for name in dict.fromkeys(models)]


def results_metadata(found: CampaignResults) -> dict[str, Any]:
    """The picture, a table of the groups, and numbers of the whole campaign that plot over time."""
    outcomes = [group.outcome for part in found.parts for group in part.groups]
    comparisons = [group.comparison for part in found.parts for group in part.groups if group.comparison]
    numbers: dict[str, Any] = {
        "recipients": sum(each.recipients for each in outcomes),
        "purchasers": sum(each.purchasers for each in outcomes),
        "orders": sum(each.orders for each in outcomes),
    }
    if comparisons:
        numbers["incremental_purchasers"] = round(sum(each.conversions.total for each in comparisons), 2)
    gains = [each.revenue.total for each in comparisons if each.revenue]
    if gains:
        numbers["incremental_revenue"] = round(sum(gains), 2)
    if found.holdout:
        numbers |= _over_holdout(found.holdout)
    picture = lift_picture(found)
    drawn = f"```\n{picture}\n```" if picture else "Nobody is in control or held out: nothing to compare with."
    warnings = "".join(f"**{warning}**\n\n" for warning in found.warnings)
    return {
        "summary": dg.MetadataValue.md(warnings + drawn),
        **numbers,
        "results": table(results_table(found)),
        "window": f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M %Z}",
        "window_is_over": found.complete,
        "sample_ratio_is_sound": not any(part.sample_ratio.broken for part in found.tables),
    }


def _over_holdout(holdout: PartResult) -> dict[str, Any]:
    """What all campaigns together changed, for those that this one is for."""
    numbers: dict[str, Any] = {}
    for group in holdout.groups:
        if group.comparison is None:
            numbers["held_out"] = group.outcome.recipients
            continue
        numbers["incremental_purchasers_over_holdout"] = round(group.comparison.conversions.total, 2)
        if group.comparison.revenue:
            numbers["incremental_revenue_over_holdout"] = round(group.comparison.revenue.total, 2)
    return numbers

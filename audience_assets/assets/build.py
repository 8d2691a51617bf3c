"""From a project's folder to Dagster definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from audience_assets.assets.campaign_deliveries import build_campaign_deliveries
from audience_assets.assets.campaign_results import build_campaign_results, results_schedules
from audience_assets.assets.campaign_schedules import build_campaign_schedules
from audience_assets.assets.campaigns import build_campaign
from audience_assets.assets.consent_checks import build_consent_checks
from audience_assets.assets.console import console
from audience_assets.assets.failures import DELIVERY_RETRIES
from audience_assets.assets.insights import build_insights, insights_schedule
from audience_assets.assets.keys import campaign_key, list_key, segment_key
from audience_assets.assets.lists import build_list
from audience_assets.assets.notify import Notifier, failure_sensor
from audience_assets.assets.reconciliations import build_reconciliations
from audience_assets.assets.resources import build_resources
from audience_assets.assets.schedules import build_schedules
from audience_assets.assets.segments import build_segment
from audience_assets.assets.sensors import stale_lists_sensor, warehouse_sensor
from audience_assets.assets.sources import build_sources
from audience_assets.assets.staleness import Made
from audience_assets.assets.statements import Statements
from audience_assets.assets.sync_day import SyncDays, utc_now
from audience_assets.project.load import load_project
from audience_assets.project.project import Project


def build_definitions(
    root: str | Path,
    *,
    notifiers: Sequence[Notifier] | None = None,
    retries: dg.RetryPolicy = DELIVERY_RETRIES,
    now: Callable[[], datetime] = utc_now,
) -> dg.Definitions:
    """Segments, destination lists and what drives them, of the project in the folder `root`.

    `notifiers` are told of failed runs instead of the log and the project's webhook; `retries` is how a delivery is
    tried again when the vendor can't be reached, `now` the clock that decides which sync day is the newest. Opens no
    connection and reads no secret. Raises ProjectError.
    Merge the result into a code location of your own with `dg.Definitions.merge`.
    """
    project = load_project(root)
    days = SyncDays(project.settings, now)
    statements = Statements(project)
    segments = [build_segment(project, each, statements.of(name)) for name, each in project.segments.items()]
    campaigns = [build_campaign(project, name, statements.of_campaign(name)) for name in project.campaigns]
    measured = [*build_insights(project), *build_campaign_results(project)]
    lists = [build_list(statements, each, days, retries) for each in project.delivered.values()]
    return dg.Definitions(
        assets=[*build_sources(project), *segments, *campaigns, *measured, *lists, *build_campaign_deliveries(project)],
        asset_checks=build_consent_checks(project),
        jobs=build_reconciliations(project),
        resources=build_resources(project),
        schedules=[
            *build_schedules(project, days),
            *build_campaign_schedules(project, days),
            *results_schedules(project),
            *insights_schedule(project),
        ],
        sensors=[
            *_data_sensors(project, [_made(each) for each in segments], [_made(each) for each in lists], days),
            failure_sensor(project, [*_told_of(project), *(each.key for each in measured)], notifiers),
        ],
        executor=dg.in_process_executor,
        loggers={"console": console},
    )


def _told_of(project: Project) -> list[dg.AssetKey]:
    """Assets whose failure somebody is told of by name."""
    return [
        *map(segment_key, project.segments),
        *map(campaign_key, project.campaigns),
        *map(list_key, project.delivered.values()),
    ]


def _made(asset: dg.AssetsDefinition) -> Made:
    spec = asset.get_asset_spec()
    return Made(spec.key, tuple(dep.asset_key for dep in spec.deps), spec.code_version or "")


def _data_sensors(
    project: Project, segments: Sequence[Made], lists: Sequence[Made], days: SyncDays
) -> list[dg.SensorDefinition]:
    sensors = [warehouse_sensor(project, segments)] if segments else []
    watched = {list_key(each): each.destination for each in project.effective.values() if each.trigger == "on_change"}
    for destination in project.destinations:
        its = [made for made in lists if watched.get(made.key) == destination]
        if its:
            sensors.append(stale_lists_sensor(destination, its, segments, days))
    return sensors

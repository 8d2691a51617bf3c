"""Insights as assets: what is known of a segment beside who is in it, and how segments overlap.

They stand apart from segments, so that no delivery waits for them.
"""

from collections.abc import Iterator

import dagster as dg

from audience_assets.assets.failures import stopped
from audience_assets.assets.insight_reports import insight_metadata, overlap_metadata
from audience_assets.assets.keys import INSIGHTS, OVERLAP, insights_key, segment_key, source_key, step_name
from audience_assets.assets.resources import WAREHOUSE, WarehouseResource
from audience_assets.assets.sources import warehouse_kind
from audience_assets.audiences.insights import segment_insights
from audience_assets.audiences.overlap import segment_overlap
from audience_assets.audiences.trend import record_insights, segment_trend
from audience_assets.project.models import Insights, Segment
from audience_assets.project.needs import audience_needs
from audience_assets.project.project import Project


def build_insights(project: Project) -> list[dg.AssetsDefinition]:
    """One asset a segment, and one for the segments that are compared; none where no insights are declared."""
    declared = project.settings.insights
    if declared == Insights():
        return []
    found = [_build(project, segment) for segment in project.segments.values()]
    return [*found, _build_overlap(project, declared.overlap)] if declared.overlap else found


def insights_schedule(project: Project) -> list[dg.ScheduleDefinition]:
    """Every day at `insights.daily_at`: the segments, then what is known of them."""
    at = project.settings.insights.daily_at
    if at is None or not project.segments:
        return []
    keys = [key for name in project.segments for key in (segment_key(name), insights_key(name))]
    keys += [dg.AssetKey(OVERLAP)] if project.settings.insights.overlap else []
    hour, minute = at.split(":")
    job = dg.define_asset_job(
        "insights_job",
        selection=dg.AssetSelection.assets(*keys),
        description="Computes the segments and their insights.",
        executor_def=dg.in_process_executor,
    )
    schedule = dg.ScheduleDefinition(
        name=f"insights_daily_at_{hour}{minute}",
        job=job,
        cron_schedule=f"{int(minute)} {int(hour)} * * *",
        execution_timezone=project.settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Insights of every segment.",
    )
    return [schedule]


def _build(project: Project, segment: Segment) -> dg.AssetsDefinition:
    name = segment.segment
    key = insights_key(name)

    @dg.asset(
        key=key,
        deps=[segment_key(name), *_sources(project, name)],
        description=f"Size, reach, value, waterfall, breakdowns and trend of **{segment.label or name}**.",
        group_name=INSIGHTS,
        owners=segment.owners,
        kinds={warehouse_kind(project), "sql"},
        required_resource_keys={WAREHOUSE},
    )
    def look(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        with stopped(f"insights of {name}"):
            runtime = warehouse.runtime
            now, needs = runtime.now(), audience_needs(runtime.project, name, runtime.destinations)
            found = segment_insights(runtime.engine, runtime.state, runtime.project, name, now, needs)
            record_insights(runtime.engine, runtime.state, found)
            trend = segment_trend(runtime.engine, runtime.state, name)
        yield dg.MaterializeResult(metadata=insight_metadata(found, trend, runtime.project))

    assert look.op.name == step_name(key)  # noqa: S101 - run config and notices name steps by it
    return look


def _sources(project: Project, segment: str) -> list[dg.AssetKey]:
    """The tables that are read beside the members'."""
    settings = project.settings.insights
    models = [project.users_model(segment), *([settings.value_model] if settings.value_model else [])]
    if any(channel.consent for channel in settings.channels.values()):
        models += [name for name, model in project.models.items() if model.role == "consent"]
    return [source_key(name, project.models[name]) for name in dict.fromkeys(models)]


def _build_overlap(project: Project, names: list[str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=OVERLAP,
        deps=[segment_key(name) for name in names],
        description=f"Members in common of {', '.join(names)}.",
        group_name=INSIGHTS,
        kinds={warehouse_kind(project), "sql"},
        required_resource_keys={WAREHOUSE},
    )
    def compare(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        with stopped("overlap of segments"):
            runtime = warehouse.runtime
            found = segment_overlap(runtime.engine, runtime.state, runtime.project, names)
        floor = runtime.project.settings.insights.privacy_floor
        yield dg.MaterializeResult(metadata=overlap_metadata(found, floor))

    return compare

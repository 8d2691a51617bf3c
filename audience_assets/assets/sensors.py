"""Sensors: the warehouse changed, so segments are computed; an input of a list changed, so the list is delivered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import dagster as dg

from audience_assets.assets.keys import source_key
from audience_assets.assets.resources import WAREHOUSE, WarehouseResource
from audience_assets.assets.staleness import DATA_VERSION, DESTINATION_TAG, Made, find_stale, in_flight, request_key
from audience_assets.assets.sync_day import SyncDays
from audience_assets.audiences.watermark import source_version
from audience_assets.errors import AudienceError
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime

SECONDS = 30


def warehouse_sensor(project: Project, segments: Sequence[Made]) -> dg.SensorDefinition:
    """Looks at cheap watermarks, reports what changed as materializations, and asks for the segments made from it.

    Models that name an upstream asset are not looked at: whoever makes them reports them.
    """
    watched = {name: source_key(name, model) for name, model in project.models.items() if not model.asset_key}

    @dg.sensor(
        name="warehouse_changes",
        description=str(warehouse_sensor.__doc__).partition("\n")[0],
        target=dg.AssetSelection.assets(*(segment.key for segment in segments)),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={WAREHOUSE},
    )
    def warehouse_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
            versions = _versions(warehouse.runtime, watched)
        except AudienceError as error:
            return dg.SkipReason(str(error))
        _report_changes(context, watched, versions)
        cursor = json.dumps(versions, sort_keys=True)
        return dg.SensorResult(run_requests=_ask(context, segments), cursor=cursor)

    return warehouse_changes


def _versions(runtime: Runtime, watched: Mapping[str, dg.AssetKey]) -> dict[str, str]:
    return {model: source_version(runtime.engine, runtime.project, model) for model in watched}


def _report_changes(
    context: dg.SensorEvaluationContext, watched: Mapping[str, dg.AssetKey], versions: Mapping[str, str]
) -> None:
    known = _read_cursor(context.cursor)
    for model, version in versions.items():
        if known.get(model) != version:
            context.instance.report_runless_asset_event(
                dg.AssetMaterialization(watched[model], tags={DATA_VERSION: version}, metadata={"version": version})
            )
            context.log.info("%s changed", watched[model].to_user_string())


def _read_cursor(text: str | None) -> dict[str, str]:
    """Versions as last seen. An unreadable cursor, of another release, is as good as none."""
    try:
        known = json.loads(text or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def _ask(context: dg.SensorEvaluationContext, segments: Sequence[Made]) -> list[dg.RunRequest]:
    stale = find_stale(context.instance, segments)
    if not stale or in_flight(context.instance, stale):
        return []
    return [dg.RunRequest(run_key=request_key(stale), asset_selection=sorted(stale))]


def stale_lists_sensor(
    destination: str, lists: Sequence[Made], segments: Sequence[Made], days: SyncDays
) -> dg.SensorDefinition:
    """Asks for the lists of one destination that do not hold the newest audience, all in one run."""

    @dg.sensor(
        name=f"{destination}_stale_lists",
        description=f"Delivers the lists at {destination} whose segment, mapped columns, consent or settings changed.",
        target=dg.AssetSelection.assets(*(each.key for each in lists)),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def stale_lists(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return request_stale(context.instance, destination, lists, segments, days.newest())

    return stale_lists


def request_stale(
    instance: dg.DagsterInstance, destination: str, lists: Sequence[Made], segments: Sequence[Made], day: str
) -> dg.RunRequest | dg.SkipReason:
    """The run that brings the stale lists of a destination up to date, or why there is none to ask for."""
    if in_flight(instance, (each.key for each in lists), destination):
        return dg.SkipReason(f"a delivery to {destination} is still running")
    stale = find_stale(instance, lists)
    # A list whose segment is about to be computed would be delivered twice.
    behind = set(find_stale(instance, segments))
    waiting = {each.key for each in lists if behind & set(each.inputs)}
    ready = {key: why for key, why in stale.items() if key not in waiting}
    if not ready:
        held = len(stale)
        text = f"{held} lists wait for their segments" if held else "every list holds the newest audience"
        return dg.SkipReason(text)
    return dg.RunRequest(
        run_key=request_key(ready),
        partition_key=day,
        asset_selection=sorted(ready),
        tags={DESTINATION_TAG: destination},
    )

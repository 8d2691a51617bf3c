"""Segments as assets: membership now, computed in the warehouse."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import sqlalchemy as sa

from audience_assets.assets.checks import segment_check_specs, segment_checks
from audience_assets.assets.failures import stopped
from audience_assets.assets.keys import segment_key, source_key, step_name
from audience_assets.assets.resources import WAREHOUSE, WarehouseResource
from audience_assets.assets.sources import warehouse_kind
from audience_assets.assets.statements import SegmentStatement
from audience_assets.assets.texts import segment_text
from audience_assets.audiences.definition import definition_hash, nodes
from audience_assets.audiences.quality import count_users
from audience_assets.audiences.refresh import SegmentRun, refresh_segment
from audience_assets.project.conditions import SegmentMember
from audience_assets.project.models import Segment
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime

GROUP = "segments"


def build_segment(project: Project, segment: Segment, statement: SegmentStatement) -> dg.AssetsDefinition:
    """The asset of one segment. A membership that came out the same has the same data version."""
    name = segment.segment
    key = segment_key(name)
    references = {node.segment for node in nodes(segment.where) if isinstance(node, SegmentMember)}
    sources = [source_key(model, project.models[model]) for model in statement.models]

    @dg.asset(
        key=key,
        deps=[*sources, *(segment_key(reference) for reference in sorted(references))],
        description=segment_text(project, segment, statement),
        group_name=GROUP,
        owners=segment.owners,
        tags=dict.fromkeys(segment.tags, ""),
        kinds={warehouse_kind(project), "sql"},
        code_version=definition_hash(project, name)[:16],
        check_specs=segment_check_specs(project, segment),
        required_resource_keys={WAREHOUSE},
    )
    def compute(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        with stopped(f"segment {name}"):
            runtime = warehouse.runtime
            run = refresh_segment(runtime.engine, runtime.state, runtime.project, name, runtime.now())
            users = count_users(runtime.engine, runtime.state, runtime.project, name, run.as_of)
            checks = list(segment_checks(runtime, segment, run))
        context.log.info("%s: %d members, %d entered, %d left", name, run.size, run.entered, run.left)
        yield dg.MaterializeResult(
            metadata=_metadata(runtime, run, users),
            data_version=dg.DataVersion(run.version),
            check_results=checks,
        )

    assert compute.op.name == step_name(key)  # noqa: S101 - run config and notices name steps by it
    return compute


def _metadata(runtime: Runtime, run: SegmentRun, users: int) -> dict[str, Any]:
    return {
        "dagster/row_count": run.size,
        "dagster/table_name": _table_name(runtime, run.segment),
        "size": run.size,
        "entered": run.entered,
        "left": run.left,
        "share_percent": round(100 * run.size / users, 2) if users else 0.0,
        "users": users,
        "seconds": round(run.duration_seconds, 3),
        "as_of": dg.MetadataValue.timestamp(run.as_of),
    }


def _table_name(runtime: Runtime, segment: str) -> str:
    """Where analysts find the members: user_key, entered_at."""
    key_type = runtime.project.models[runtime.project.users_model(segment)].key_type
    table: sa.Table = runtime.state.segment(segment, key_type)
    return table.fullname

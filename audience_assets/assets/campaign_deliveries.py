"""What became of a treatment group's customers at one destination, as metadata of its list."""

from __future__ import annotations

from typing import Any

import dagster as dg

from audience_assets.project.activations import EffectiveActivation
from audience_assets.runtime import Runtime
from audience_assets.sync import open_rejections
from audience_assets.sync.plan import Planner
from audience_assets.sync.reach import Reach, measure_reach

_REASONS = dg.TableSchema(columns=[dg.TableColumn("why"), dg.TableColumn("customers", type="integer")])


def delivery_summary(runtime: Runtime, activation: EffectiveActivation) -> dict[str, Any]:
    """Customers, rows, shrink by reason and expansion; nothing for a segment's list, whose report tells it all."""
    if runtime.project.audience(activation.audience).campaign is None:
        return {}
    planner = Planner(runtime, activation.name, runtime.now())
    with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
        reach = measure_reach(connection, planner, planner.unplanned())
        sizes = planner.list_sizes(connection)
    return _metadata(reach.with_vendor(sizes, open_rejections(runtime, activation.name)))


def _metadata(reach: Reach) -> dict[str, Any]:
    rows = [dg.TableRecord({"why": why, "customers": number}) for why, number in reach.shrink.items()]
    metadata: dict[str, Any] = {
        "customers": reach.customers,
        "rows": reach.rows,
        "shrink": reach.lost,
        "expansion": reach.expansion,
    }
    return {**metadata, "shrink_by_reason": dg.MetadataValue.table(rows, schema=_REASONS)} if rows else metadata

"""Reading what earlier syncs left: reports, rejections, the state of segments."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.sync.report import RejectionCount
from audience_assets.warehouse.state import State

if TYPE_CHECKING:
    from audience_assets.runtime import Runtime

# A plan that nobody asked to deliver. It has a row of its own, and says nothing of what the list holds.
PLANNED = "planned"


def segment_state(connection: Connection, state: State, segment: str) -> tuple[datetime | None, str | None]:
    """When a segment was last computed, and the version of its membership."""
    run = state.segment_run
    query = sa.select(run.c.as_of, run.c.version).where(run.c.segment == segment).order_by(run.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return (row.as_of, row.version) if row else (None, None)


def last_report(connection: Connection, state: State, activation: str) -> dict[str, Any] | None:
    """The report of the last sync that delivered something or found nothing to do."""
    sync = state.sync
    query = (
        sa.select(sync.c.report)
        .where(sync.c.activation == activation, sync.c.report.is_not(None))
        .order_by(sync.c.id.desc())
        .limit(1)
    )
    text = connection.scalar(query)
    return json.loads(text) if text else None


def members_delivered(connection: Connection, state: State, activation: str) -> int:
    """How many members the vendor's last answers left in the list, whatever became of the ledger since."""
    registry = state.destination_list
    found = connection.scalar(sa.select(registry.c.members_delivered).where(registry.c.activation == activation))
    if found is not None:
        return int(found)
    last = last_report(connection, state, activation)  # a list from before that was kept
    return int(last["members_after"]) if last else 0


def count_rejections(
    connection: Connection, state: State, activation: str, sync: str | None = None
) -> list[RejectionCount]:
    """Open rejections by reason, most frequent first; of one sync if given."""
    rejection = state.rejection
    groups = (rejection.c.reason, rejection.c.channel, rejection.c.operation, rejection.c.recheck)
    query = (
        sa.select(*groups, sa.func.count().label("rows"), sa.func.max(rejection.c.detail).label("detail"))
        .where(rejection.c.activation == activation)
        .group_by(*groups)
        .order_by(sa.desc("rows"), rejection.c.reason)
    )
    if sync:
        query = query.where(rejection.c.sync == sync)
    return [
        RejectionCount(row.reason, row.channel, row.operation, row.rows, row.recheck, row.detail)
        for row in connection.execute(query)
    ]


def latest_syncs(runtime: Runtime) -> dict[str, dict[str, Any]]:
    """Activation -> its newest sync: id, state, started_at, ended_at, error and the decoded report. Plans are none."""
    sync = runtime.state.sync
    newest = sa.select(sa.func.max(sync.c.id)).where(sync.c.state != PLANNED).group_by(sync.c.activation)
    with runtime.engine.begin() as connection:
        rows = connection.execute(sa.select(sync).where(sync.c.id.in_(newest))).mappings().all()
    return {row["activation"]: {**row, "report": json.loads(row["report"]) if row["report"] else None} for row in rows}


def open_rejections(runtime: Runtime, activation: str) -> list[RejectionCount]:
    """Open rejections of a list by reason."""
    with runtime.engine.begin() as connection:
        return count_rejections(connection, runtime.state, activation)


def rejected_rows(runtime: Runtime, activation: str, limit: int) -> list[dict[str, Any]]:
    """Rejected members with their reasons, newest first. Personal data: for the terminal, never for a log."""
    rejection = runtime.state.rejection
    columns = (
        "identifier",
        "channel",
        "operation",
        "reason",
        "detail",
        "attempts",
        "first_seen",
        "last_seen",
        "recheck",
    )
    query = (
        sa.select(*(rejection.c[name] for name in columns))
        .where(rejection.c.activation == activation)
        .order_by(rejection.c.last_seen.desc(), rejection.c.identifier)
        .limit(limit)
    )
    with runtime.engine.begin() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def latest_reconciliations(runtime: Runtime) -> dict[str, dict[str, Any]]:
    """Activation -> its newest reconciliation: reconciled_at, counts, and whether it was applied."""
    table = runtime.state.reconciliation
    last = sa.func.max(table.c.reconciled_at).label("reconciled_at")
    newest = sa.select(table.c.activation, last).group_by(table.c.activation).subquery("newest")
    same = (newest.c.activation == table.c.activation) & (newest.c.reconciled_at == table.c.reconciled_at)
    with runtime.engine.begin() as connection:
        rows = connection.execute(sa.select(table).join_from(table, newest, same)).mappings().all()
    return {row["activation"]: dict(row) for row in rows}

"""An audience's table made to hold exactly the members that a statement finds: segments and treatment groups alike."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.rekeyed import carry_over, set_aside
from audience_assets.warehouse.state import State


@dataclass(frozen=True, slots=True)
class SegmentRun:
    """One computation of an audience. Sizes are numbers of users.

    `version` changes exactly when the membership does, whatever the definition and the time: equal versions
    mean equal members.
    """

    segment: str
    as_of: datetime
    definition_hash: str
    size: int
    entered: int
    left: int
    previous_size: int
    duration_seconds: float
    version: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Members now, members before, and how many are both."""

    size: int
    previous: int
    stayed: int


def store_members(
    connection: Connection,
    state: State,
    members: sa.Table,
    name: str,
    found: sa.Select[Any],
    as_of: datetime,
    check: Callable[[sa.Table], None] | None = None,
) -> Counts:
    """Make `members` equal to `found` (keys, each once). Only those who entered or left are written.

    Those who left move to `segment_history`. `check` looks at what was found before anything is changed. It is the
    caller's transaction; one of them at a time gets past `lock_members`.
    """
    lock_members(connection, members)
    former = set_aside(connection, members)
    scratch = _stage(connection, members, found)
    if check is not None:
        check(scratch)
    before = carry_over(connection, state, name, members, scratch, former, as_of) if former is not None else None
    counts = _count(connection, members, scratch)
    _remove_leavers(connection, state, name, members, scratch, counts, as_of)
    _add_entrants(connection, members, scratch, counts, as_of)
    scratch.drop(connection)
    return counts if before is None else replace(counts, previous=before)


def lock_members(connection: Connection, members: sa.Table) -> None:
    """The table exists; one writer at a time."""
    members.create(connection, checkfirst=True)
    if connection.dialect.name == "postgresql":
        table = connection.dialect.identifier_preparer.format_table(members)
        connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


def temporary_table(what: str, *columns: sa.Column[Any]) -> sa.Table:
    """A table of this connection, of a name that nothing else has."""
    return sa.Table(f"audience_assets_{what}_{uuid.uuid4().hex[:8]}", sa.MetaData(), *columns, prefixes=["TEMPORARY"])


def _stage(connection: Connection, members: sa.Table, found: sa.Select[Any]) -> sa.Table:
    scratch = temporary_table("scratch", sa.Column("user_key", members.c.user_key.type))
    scratch.create(connection, checkfirst=False)
    connection.execute(sa.insert(scratch).from_select(["user_key"], found))
    return scratch


def _count(connection: Connection, members: sa.Table, scratch: sa.Table) -> Counts:
    size = connection.scalar(sa.select(sa.func.count()).select_from(scratch)) or 0
    previous = connection.scalar(sa.select(sa.func.count()).select_from(members)) or 0
    both = scratch.join(members, members.c.user_key == scratch.c.user_key)
    stayed = connection.scalar(sa.select(sa.func.count()).select_from(both)) if previous and size else 0
    return Counts(size, previous, stayed or 0)


def _remove_leavers(
    connection: Connection,
    state: State,
    name: str,
    members: sa.Table,
    scratch: sa.Table,
    counts: Counts,
    as_of: datetime,
) -> None:
    if counts.stayed == counts.previous:
        return
    history = state.segment_history
    present = members.outerjoin(scratch, scratch.c.user_key == members.c.user_key)
    gone = sa.select(
        sa.literal(name, history.c.segment.type),
        sa.cast(members.c.user_key, sa.String),
        members.c.entered_at,
        sa.literal(as_of, history.c.left_at.type),
    )
    gone = gone.select_from(present).where(scratch.c.user_key.is_(None))
    connection.execute(sa.insert(history).from_select(["segment", "user_key", "entered_at", "left_at"], gone))
    keys = sa.select(members.c.user_key).select_from(present).where(scratch.c.user_key.is_(None))
    connection.execute(sa.delete(members).where(members.c.user_key.in_(keys.correlate(None))))


def _add_entrants(
    connection: Connection, members: sa.Table, scratch: sa.Table, counts: Counts, as_of: datetime
) -> None:
    if counts.stayed == counts.size:
        return
    known = scratch.outerjoin(members, members.c.user_key == scratch.c.user_key)
    new = sa.select(scratch.c.user_key, sa.literal(as_of, members.c.entered_at.type))
    new = new.select_from(known).where(members.c.user_key.is_(None)).order_by(scratch.c.user_key)
    connection.execute(sa.insert(members).from_select(["user_key", "entered_at"], new))


def record_run(
    connection: Connection, state: State, name: str, as_of: datetime, definition: str, counts: Counts, started: float
) -> SegmentRun:
    """Note a computation that began at `started` (time.monotonic), in its transaction."""
    table = state.segment_run
    earlier = connection.scalar(
        sa.select(table.c.version).where(table.c.segment == name).order_by(table.c.id.desc()).limit(1)
    )
    identifier = run_id()
    run = SegmentRun(
        segment=name,
        as_of=as_of,
        definition_hash=definition,
        size=counts.size,
        entered=counts.size - counts.stayed,
        left=counts.previous - counts.stayed,
        previous_size=counts.previous,
        duration_seconds=time.monotonic() - started,
        version=earlier if earlier and counts.size == counts.stayed == counts.previous else identifier,
    )
    row = {column.name: getattr(run, column.name) for column in table.columns if column.name != "id"}
    connection.execute(sa.insert(table).values(id=identifier, **row))
    return run


def run_id() -> str:
    """An id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"

"""Computing a segment: its membership table follows its definition, all in the warehouse."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences.compiler import compile_segment
from audience_assets.audiences.definition import definition_hash
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.rekeyed import carry_over, set_aside
from audience_assets.audiences.stored import expect_computed, segments_read
from audience_assets.audiences.uploaded import load_uploaded_lists, uploaded_lists
from audience_assets.errors import WarehouseError
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State


@dataclass(frozen=True, slots=True)
class SegmentRun:
    """One computation of a segment. Sizes are numbers of users.

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
class _Counts:
    size: int
    previous: int
    stayed: int


def refresh_segment(engine: Engine, state: State, project: Project, name: str, as_of: datetime) -> SegmentRun:
    """Make the segment's table hold its members at `as_of` (with a zone); all or nothing, in one transaction.

    Only those who entered or left are written. Those who left move to `segment_history`. Raises WarehouseError
    when the warehouse lacks a table or column of a model, or a users model's key is missing or not unique; NotComputed
    when its conditions ask who joined or left a segment that was never computed.
    """
    started = time.monotonic()
    key_type = project.models[project.users_model(name)].key_type
    members = state.segment(name, key_type)
    load_uploaded_lists(engine, state, project, uploaded_lists(project, name))
    with explain_missing(engine, project):
        statement = compile_segment(project, name, as_of, state=state)
        with engine.begin() as connection:
            expect_large_joins(connection)
            expect_computed(connection, state, project, segments_read(project, name))
            _prepare(connection, members)
            former = set_aside(connection, members)
            scratch = _stage(connection, members, statement)
            _check_keys(connection, scratch, project, name)
            before = (
                carry_over(connection, state, name, members, scratch, former, as_of) if former is not None else None
            )
            counts = _count(connection, members, scratch)
            _remove_leavers(connection, state, name, members, scratch, counts, as_of)
            _add_entrants(connection, members, scratch, counts, as_of)
            scratch.drop(connection)
            if before is not None:
                counts = replace(counts, previous=before)
            return _record(connection, state, project, name, as_of, counts, started)


def _prepare(connection: Connection, members: sa.Table) -> None:
    """The membership table exists; one refresh at a time."""
    members.create(connection, checkfirst=True)
    if connection.dialect.name == "postgresql":
        table = connection.dialect.identifier_preparer.format_table(members)
        connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")


def _stage(connection: Connection, members: sa.Table, statement: sa.Select[tuple[object]]) -> sa.Table:
    scratch = sa.Table(
        f"audience_assets_scratch_{uuid.uuid4().hex[:8]}",
        sa.MetaData(),
        sa.Column("user_key", members.c.user_key.type),
        prefixes=["TEMPORARY"],
    )
    scratch.create(connection, checkfirst=False)
    connection.execute(sa.insert(scratch).from_select(["user_key"], statement))
    return scratch


def _check_keys(connection: Connection, scratch: sa.Table, project: Project, name: str) -> None:
    key = scratch.c.user_key
    rows, present, distinct = connection.execute(
        sa.select(sa.func.count(), sa.func.count(key), sa.func.count(key.distinct())).select_from(scratch)
    ).one()
    model = project.users_model(name)
    column = f"{model}.{project.models[model].key} (table {project.models[model].table})"
    if present < rows:
        raise WarehouseError(
            f"segment {name}: {column} is missing (NULL) in {rows - present:,} rows; a users model's key must be set"
        )
    if distinct < rows:
        raise WarehouseError(
            f"segment {name}: {column} is not unique: {rows:,} rows have {distinct:,} keys. Make the model one row "
            "a user, or a belongs-to relationship's other side one row a key"
        )


def _count(connection: Connection, members: sa.Table, scratch: sa.Table) -> _Counts:
    size = connection.scalar(sa.select(sa.func.count()).select_from(scratch)) or 0
    previous = connection.scalar(sa.select(sa.func.count()).select_from(members)) or 0
    both = scratch.join(members, members.c.user_key == scratch.c.user_key)
    stayed = connection.scalar(sa.select(sa.func.count()).select_from(both)) if previous and size else 0
    return _Counts(size, previous, stayed or 0)


def _remove_leavers(
    connection: Connection,
    state: State,
    name: str,
    members: sa.Table,
    scratch: sa.Table,
    counts: _Counts,
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
    connection: Connection, members: sa.Table, scratch: sa.Table, counts: _Counts, as_of: datetime
) -> None:
    if counts.stayed == counts.size:
        return
    known = scratch.outerjoin(members, members.c.user_key == scratch.c.user_key)
    new = sa.select(scratch.c.user_key, sa.literal(as_of, members.c.entered_at.type))
    new = new.select_from(known).where(members.c.user_key.is_(None)).order_by(scratch.c.user_key)
    connection.execute(sa.insert(members).from_select(["user_key", "entered_at"], new))


def _record(
    connection: Connection,
    state: State,
    project: Project,
    name: str,
    as_of: datetime,
    counts: _Counts,
    started: float,
) -> SegmentRun:
    table = state.segment_run
    earlier = connection.scalar(
        sa.select(table.c.version).where(table.c.segment == name).order_by(table.c.id.desc()).limit(1)
    )
    now = datetime.now(UTC)
    identifier = f"{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"
    run = SegmentRun(
        segment=name,
        as_of=as_of,
        definition_hash=definition_hash(project, name),
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

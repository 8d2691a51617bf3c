"""Computing a segment: its membership table follows its definition, all in the warehouse."""

from __future__ import annotations

import time
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.compiler import compile_segment
from audience_assets.audiences.definition import all_nodes, definition_hash
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.store import SegmentRun, record_run, store_members
from audience_assets.audiences.stored import expect_read
from audience_assets.audiences.uploaded import load_uploaded_lists, uploaded_lists
from audience_assets.errors import WarehouseError
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State

__all__ = ["SegmentRun", "refresh_segment"]


def refresh_segment(engine: Engine, state: State, project: Project, name: str, as_of: datetime) -> SegmentRun:
    """Make the segment's table hold its members at `as_of` (with a zone); all or nothing, in one transaction.

    Raises WarehouseError when the warehouse lacks a table or column of a model, or a users model's key is missing or
    not unique; NotComputed when its conditions ask who joined or left a segment that was never computed.
    """
    started = time.monotonic()
    model = project.users_model(name)
    members = state.segment(name, project.models[model].key_type)
    load_uploaded_lists(engine, state, project, uploaded_lists(project, name))
    with explain_missing(engine, project):
        statement = compile_segment(project, name, as_of, state=state)
        with engine.begin() as connection:
            expect_large_joins(connection)
            expect_read(connection, state, project, model, all_nodes(project, name))

            def check(scratch: sa.Table) -> None:
                key = scratch.c.user_key
                numbers = sa.select(sa.func.count(), sa.func.count(key), sa.func.count(key.distinct()))
                expect_keys(project, model, f"segment {name}", *connection.execute(numbers.select_from(scratch)).one())

            counts = store_members(connection, state, members, name, statement, as_of, check)
            return record_run(connection, state, name, as_of, definition_hash(project, name), counts, started)


def expect_keys(project: Project, model: str, what: str, rows: int, present: int, distinct: int) -> None:
    """Raises WarehouseError where the key of a users model is missing in some rows, or not unique."""
    column = f"{model}.{project.models[model].key} (table {project.models[model].table})"
    if present < rows:
        raise WarehouseError(
            f"{what}: {column} is missing (NULL) in {rows - present:,} rows; a users model's key must be set"
        )
    if distinct < rows:
        raise WarehouseError(
            f"{what}: {column} is not unique: {rows:,} rows have {distinct:,} keys. Make the model one row "
            "a user, or a belongs-to relationship's other side one row a key"
        )

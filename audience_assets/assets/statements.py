"""A segment's statement at definition time: its text for people, and the models it reads for the lineage."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.sql import visitors

from audience_assets.audiences.compiler import compile_segment
from audience_assets.audiences.display import segment_sql
from audience_assets.errors import WarehouseError
from audience_assets.project.environment import env_name
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State

FALLBACK = "postgresql"


@dataclass(frozen=True)
class SegmentStatement:
    """What can be said of a segment without asking the warehouse."""

    sql: str
    models: tuple[str, ...]


def dialect_of(project: Project) -> str:
    """The warehouse's dialect by its address. Of an address in the environment only the scheme is looked at."""
    declared = project.settings.warehouse.url
    variable = env_name(declared)
    text = os.environ.get(variable, "") if variable else str(declared)
    return text.partition(":")[0].partition("+")[0] or FALLBACK


def segment_statement(project: Project, name: str) -> SegmentStatement:
    """The statement as of the start of today (UTC), so that it reads the same at every load of a day."""
    as_of = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    dialect = dialect_of(project)
    try:
        sql = segment_sql(project, name, dialect, as_of)
    except WarehouseError:
        sql = segment_sql(project, name, FALLBACK, as_of)
    return SegmentStatement(sql, _models(project, name, as_of))


def _models(project: Project, name: str, as_of: datetime) -> tuple[str, ...]:
    """Models whose tables the statement reads."""
    # The state asks its engine for nothing but the dialect until it touches tables.
    offline = cast("Engine", SimpleNamespace(dialect=SimpleNamespace(name=FALLBACK)))
    statement = compile_segment(project, name, as_of, state=State(offline, project.settings.warehouse.state_schema))
    read = {element.fullname for element in visitors.iterate(statement) if isinstance(element, sa.Table)}
    return tuple(model for model, declared in project.models.items() if declared.table in read)

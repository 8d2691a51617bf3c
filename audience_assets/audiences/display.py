"""The SQL of a segment with its values written in: for people to read, never to run."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import NoSuchModuleError, UnsupportedCompilationError

from audience_assets.audiences.compiler import compile_segment
from audience_assets.errors import WarehouseError
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State
from audience_assets.warehouse.unpackaged import unpackaged

# Dialects with rules in warehouse/functions.py; the last three can be shown without their packages.
DIALECTS = ("sqlite", "postgresql", "duckdb", "snowflake", "bigquery", "redshift")


def segment_sql(project: Project, name: str, dialect: str, as_of: datetime) -> str:
    """The statement that computes a segment, as text. Raises WarehouseError for an unknown dialect.

    Literal rendering is right for the dialects above as far as tested, but escaping is only a promise of bound
    parameters, which is what a refresh uses.
    """
    chosen = dialect_named(dialect)
    # The state asks its engine for nothing but the dialect until it touches tables.
    state = State(cast("Engine", SimpleNamespace(dialect=chosen)), project.settings.warehouse.state_schema)
    statement = compile_segment(project, name, as_of, state=state)
    return render(statement, chosen)


def render(statement: sa.Select[Any], dialect: Dialect) -> str:
    """A statement with its values written in."""
    try:
        return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except UnsupportedCompilationError as error:
        raise WarehouseError(f"This can't be written for {dialect.name}: {', '.join(DIALECTS)} are known") from error


def dialect_named(name: str) -> Dialect:
    """A dialect to write statements in, as text only. Raises WarehouseError for an unknown name."""
    name = {"postgres": "postgresql"}.get(name, name)
    try:
        found: type[DefaultDialect] = sa.dialects.registry.load(name)
    except NoSuchModuleError as error:
        dialect = unpackaged(name)
        if dialect is None:
            raise WarehouseError(f"There is no dialect {name!r}: choose one of {', '.join(DIALECTS)}") from error
        return dialect
    # Other parameter styles would double every percent sign.
    return found(paramstyle="named")

"""Snowflake, BigQuery and Redshift without their SQLAlchemy packages: enough to write a statement down.

What differs in literals, names and types is here; what differs in functions is in `warehouse/functions.py`,
keyed by the same dialect names, and serves the real packages, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.compiler import GenericTypeCompiler, IdentifierPreparer, SQLCompiler


def unpackaged(name: str) -> Dialect | None:
    """A dialect that compiles but never connects; None for names that have none."""
    kind = _DIALECTS.get(name)
    return None if kind is None else kind(supports_native_boolean=True)


class _Redshift(DefaultDialect):
    name = "redshift"


class _SnowflakeString(sa.String):
    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:
        del dialect
        return lambda value: "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


class _Snowflake(DefaultDialect):
    name = "snowflake"
    colspecs = {sa.String: _SnowflakeString}  # noqa: RUF012 - SQLAlchemy's own attribute


class _BigQueryString(sa.String):
    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:
        del dialect
        return lambda value: "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _BigQueryTypes(GenericTypeCompiler):
    def visit_VARCHAR(self, type_: Any, **kw: Any) -> str:  # noqa: N802 - SQLAlchemy's visitor names
        del type_, kw
        return "STRING"

    def visit_DOUBLE(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        del type_, kw
        return "FLOAT64"

    def visit_BIGINT(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        del type_, kw
        return "INT64"


class _BigQueryCompiler(SQLCompiler):
    def visit_mod_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        del operator
        return f"MOD({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"


class _BigQueryNames(IdentifierPreparer):
    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, initial_quote="`", final_quote="`")


class _BigQuery(DefaultDialect):
    name = "bigquery"
    colspecs = {sa.String: _BigQueryString}  # noqa: RUF012
    type_compiler_cls = _BigQueryTypes
    statement_compiler = _BigQueryCompiler
    preparer: type[IdentifierPreparer] = _BigQueryNames


_DIALECTS: dict[str, type[DefaultDialect]] = {
    "snowflake": _Snowflake,
    "bigquery": _BigQuery,
    "redshift": _Redshift,
}

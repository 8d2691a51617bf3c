"""Snowflake, BigQuery and Redshift without their SQLAlchemy packages: enough to write a statement down.

What differs in literals, names and types is here; what differs in functions is in `warehouse/functions.py` and in
whole expressions in `warehouse/rewrites.py`, keyed by the same dialect names, and serves the real packages, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.compiler import RESERVED_WORDS, DDLCompiler, GenericTypeCompiler, IdentifierPreparer, SQLCompiler

from audience_assets.warehouse import (
    reserved_words,
    rewrites,  # noqa: F401 - registers them
)


def unpackaged(name: str) -> Dialect | None:
    """A dialect that compiles but never connects; None for names that have none."""
    kind = _DIALECTS.get(name)
    return None if kind is None else kind(supports_native_boolean=True)


class _Compiler(SQLCompiler):
    def update_from_clause(
        self, update_stmt: Any, from_table: Any, extra_froms: Any, from_hints: Any, **kw: Any
    ) -> str:
        del update_stmt, from_table
        return "FROM " + ", ".join(
            self.process(clause, asfrom=True, fromhints=from_hints, **kw) for clause in extra_froms
        )


class _Unpackaged(DefaultDialect):
    statement_compiler = _Compiler
    # INSERT INTO ... WITH ... SELECT: none of them takes a WITH before the INSERT.
    cte_follows_insert = True


class _RedshiftTypes(GenericTypeCompiler):
    def visit_DOUBLE(self, type_: Any, **kw: Any) -> str:  # noqa: N802 - SQLAlchemy's visitor names
        del type_, kw
        return "DOUBLE PRECISION"

    def visit_DATETIME(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        del type_, kw
        return "TIMESTAMP"


class _RedshiftNames(IdentifierPreparer):
    reserved_words = RESERVED_WORDS | reserved_words.REDSHIFT


class _Redshift(_Unpackaged):
    name = "redshift"
    type_compiler_cls = _RedshiftTypes
    preparer: type[IdentifierPreparer] = _RedshiftNames


class _SnowflakeString(sa.String):
    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:
        del dialect
        return lambda value: "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


class _SnowflakeNames(IdentifierPreparer):
    reserved_words = RESERVED_WORDS | reserved_words.SNOWFLAKE


class _Snowflake(_Unpackaged):
    name = "snowflake"
    colspecs = {sa.String: _SnowflakeString}  # noqa: RUF012 - SQLAlchemy's own attribute
    preparer: type[IdentifierPreparer] = _SnowflakeNames


class _BigQueryString(sa.String):
    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:
        del dialect
        return lambda value: "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _BigQueryTypes(GenericTypeCompiler):
    def visit_VARCHAR(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        del type_, kw
        return "STRING"

    def visit_DOUBLE(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        del type_, kw
        return "FLOAT64"

    def visit_BIGINT(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        del type_, kw
        return "INT64"


class _BigQueryCompiler(_Compiler):
    compound_keywords = {  # noqa: RUF012
        key: word if word.endswith(" ALL") else f"{word} DISTINCT"
        for key, word in SQLCompiler.compound_keywords.items()
    }

    def visit_mod_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        del operator
        return f"MOD({self.process(binary.left, **kw)}, {self.process(binary.right, **kw)})"

    def visit_column(  # type: ignore[override]  # SQLAlchemy calls it with keywords
        self, column: Any, include_table: bool = True, **kw: Any
    ) -> str:
        """A table goes by its name alone: BigQuery knows no `dataset.table.column`."""
        table = column.table
        if include_table and isinstance(table, sa.TableClause):
            return f"{self.preparer.quote(table.name)}.{super().visit_column(column, include_table=False, **kw)}"
        return super().visit_column(column, include_table=include_table, **kw)


class _BigQueryTables(DDLCompiler):
    def visit_primary_key_constraint(self, constraint: Any, **kw: Any) -> str:
        """BigQuery enforces no keys, and says so by refusing a plain PRIMARY KEY."""
        del constraint, kw
        return ""


class _BigQueryNames(IdentifierPreparer):
    reserved_words = RESERVED_WORDS | reserved_words.BIGQUERY

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, initial_quote="`", final_quote="`")


class _BigQuery(_Unpackaged):
    name = "bigquery"
    colspecs = {sa.String: _BigQueryString}  # noqa: RUF012
    type_compiler_cls = _BigQueryTypes
    statement_compiler = _BigQueryCompiler
    ddl_compiler = _BigQueryTables
    preparer: type[IdentifierPreparer] = _BigQueryNames


_DIALECTS: dict[str, type[DefaultDialect]] = {
    "snowflake": _Snowflake,
    "bigquery": _BigQuery,
    "redshift": _Redshift,
}

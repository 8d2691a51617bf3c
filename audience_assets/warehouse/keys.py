"""By keys of which type our tables were made: a project may say another type since, and no join would find anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

KEY_COLUMNS = ("user_key", "keep")


def found_keys(connection: Connection, tables: Sequence[sa.Table]) -> dict[str, str | None]:
    """Name of each of `tables` that is there -> the type of its keys if that is not the declared one, else None.

    The tables share a schema. Types are named as a model's `key_type` is.
    """
    schema, names = tables[0].schema, [table.name for table in tables]
    found = sa.inspect(connection).get_multi_columns(schema=schema, filter_names=names)
    return {
        table.name: _other_type(table, found[schema, table.name], connection.dialect)
        for table in tables
        if (schema, table.name) in found
    }


def _other_type(table: sa.Table, present: Sequence[Mapping[str, Any]], dialect: Dialect) -> str | None:
    name = next(name for name in KEY_COLUMNS if name in table.c)
    kept = next((_kind(column["type"]) for column in present if column["name"] == name), None)
    return kept if kept != _kind(table.c[name].type.dialect_impl(dialect)) else None


def _kind(column_type: sa.types.TypeEngine[Any]) -> str | None:
    """None for a type that a driver does not name: nothing is said of it."""
    if isinstance(column_type, sa.Uuid):
        return "uuid"
    if isinstance(column_type, sa.Integer | sa.Numeric):
        return "integer"
    return "text" if isinstance(column_type, sa.String) else None

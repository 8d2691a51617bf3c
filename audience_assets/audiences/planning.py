"""Telling the database how to join what it can't estimate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def expect_large_joins(connection: Connection) -> None:
    """For this transaction, no nested loops on Postgres.

    It guesses CTEs of conditions to hold a handful of rows and then compares every user with every row of them.
    All our joins are on equal keys of whole tables, so hash and merge joins always fit.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_nestloop = off")


def expect_few_rows(connection: Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    """From here on `table`, just filled, drives the joins of this transaction, and `column` chooses among its rows.

    On Postgres: count both, and allow nested loops.
    """
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer
        connection.exec_driver_sql("SET LOCAL enable_nestloop = on")
        connection.exec_driver_sql(f"ANALYZE {quote.format_table(table)} ({quote.format_column(column)})")


@contextmanager
def indexed_afterwards(connection: Connection, table: sa.Table) -> Iterator[None]:
    """Postgres makes an index of many rows faster at once than row by row. In the caller's transaction."""
    indexes = table.indexes if connection.dialect.name == "postgresql" else ()
    for index in indexes:
        index.drop(connection, checkfirst=True)
    yield
    for index in indexes:
        index.create(connection)

"""One transaction at a time for a piece of work, where the warehouse does not see to it by itself."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def one_at_a_time(connection: Connection, work: str) -> None:
    """Wait until no other transaction does this work. On Postgres the lock goes with the transaction.

    SQLite has one writer at a time, and DuckDB one process.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(work))))

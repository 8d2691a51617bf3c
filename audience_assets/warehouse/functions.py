"""The few SQL expressions that are written differently by each dialect, as SQLAlchemy constructs."""

from __future__ import annotations

import sqlite3


def install_sqlite_functions(connection: sqlite3.Connection) -> None:
    """Register what SQLite lacks."""
    del connection

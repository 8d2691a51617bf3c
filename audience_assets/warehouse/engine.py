"""Opening a warehouse: one SQLAlchemy engine with what each dialect needs to be safe."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from audience_assets.errors import WarehouseError
from audience_assets.warehouse import rewrites  # noqa: F401 - registers them
from audience_assets.warehouse.functions import install_sqlite_functions
from audience_assets.warehouse.silence import silence_values

BUSY_TIMEOUT_MS = 120_000
# The values of a statement that fails are people's addresses, and its error ends up in logs.
SILENT = {"hide_parameters": True}
# A plain `postgresql://` means another driver in each SQLAlchemy version, so the choice is made here.
DEFAULT_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def open_warehouse(url: str, *, root: Path | None = None) -> Engine:
    """An engine for `url`; relative SQLite and DuckDB paths start at `root`.

    Raises WarehouseError for a malformed URL or a missing driver. Opens no connection.
    """
    try:
        parsed = _with_root(_with_driver(make_url(url)), root)
        engine = sa.create_engine(parsed, **_engine_options(parsed))
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        name = url.split(":", 1)[0]
        raise WarehouseError(f"No driver for {name!r} is installed: {_install_hint(name)}") from error
    except ArgumentError as error:
        raise WarehouseError(
            "The warehouse url is not one SQLAlchemy can read. Write driver://user:password@host/database, "
            "or sqlite:///file.db."
        ) from error
    # Redshift's package says what Postgres takes; a WITH before the INSERT is not among what Redshift takes.
    engine.dialect.cte_follows_insert = True
    silence_values(engine)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        _keep_utc(engine)
    return engine


def expect_file(engine: Engine) -> None:
    """An embedded warehouse has to be there: SQLite and DuckDB would make an empty one at a mistyped path.

    Raises WarehouseError with the path.
    """
    path = engine.url.database
    if engine.dialect.name not in ("sqlite", "duckdb") or not path or path == ":memory:" or path.startswith("file:"):
        return
    if not Path(path).is_file():
        near = sorted(Path(path).parent.glob(f"*{Path(path).suffix}"))
        hint = f" Beside it there is {near[0].name}." if near else ""
        raise WarehouseError(f"There is no {engine.dialect.name} warehouse at {path}: mend `warehouse.url`.{hint}")


def _install_hint(name: str) -> str:
    return "pip install 'audience-assets[duckdb]'" if "duckdb" in name else "install its SQLAlchemy dialect with pip"


def _with_driver(url: URL) -> URL:
    return url.set(drivername=DEFAULT_DRIVERS.get(url.drivername, url.drivername))


def _with_root(url: URL, root: Path | None) -> URL:
    embedded = url.get_backend_name() in ("sqlite", "duckdb")
    if embedded and root and url.database and url.database != ":memory:" and not Path(url.database).is_absolute():
        return url.set(database=str((root / url.database).resolve()))
    return url


def _engine_options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "postgresql":
        return {"pool_pre_ping": True, "pool_size": 8, "isolation_level": "READ COMMITTED", **SILENT}
    return SILENT


def _keep_utc(engine: Engine) -> None:
    """Sessions in UTC: else a zoned column would be compared with our UTC bounds in the server's or user's zone."""
    statement = {"postgresql": "SET TIME ZONE 'UTC'", "duckdb": "SET TimeZone = 'UTC'"}.get(engine.dialect.name)
    if statement is None:
        return

    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    """WAL, and BEGIN IMMEDIATE for writers: a deferred BEGIN that later writes fails at once or loses updates."""

    @sa.event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        install_sqlite_functions(connection)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

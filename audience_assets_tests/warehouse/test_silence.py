"""A failing statement's values and rows are people's addresses: they reach no error and no table of ours."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.cli.failures import message_of
from audience_assets.sync import latest_syncs
from audience_assets_tests.sync.world import make_world


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_failing_statement_tells_no_address(
    make_warehouse: Callable[[str], Engine], tmp_path: Path, kind: str
) -> None:
    world = make_world(tmp_path, make_warehouse(kind))
    world.set_people({1: ("ann@example.com", None, 1), 2: ("bob@example.com", None, 1)}, (1, 2))
    world.vendor.refuse("ann@example.com")
    rejection = world.runtime.state.rejection
    with world.runtime.engine.begin() as connection:
        # Any row that breaks a rule will do; a warehouse in trouble finds its own.
        connection.execute(sa.schema.CreateIndex(sa.Index("one_reason", rejection.c.reason, unique=True)))
        old = {"activation": "other", "sync": "s", "identifier": "x", "operation": "add", "reason": "refused"}
        times = {"first_seen": world.runtime.now(), "last_seen": world.runtime.now()}
        connection.execute(rejection.insert().values(**old, **times, recheck="when_changed", attempts=1))
    with pytest.raises(sa.exc.IntegrityError) as raised:
        world.sync()
    told = "".join(traceback.format_exception(raised.value)) + str(latest_syncs(world.runtime)["vips"]["error"])
    assert "ann@example.com" not in told
    assert "bob@example.com" not in told


ADDRESS = "o'ann@example.com"
BROKEN = {
    "a rule about missing values": "INSERT INTO people SELECT 2, 'x' || email, NULL FROM people",
    "an address twice": "INSERT INTO people SELECT 3, email, 'x' FROM people",
    "a number": "SELECT CAST(email AS BIGINT) FROM people",
    "a day": "SELECT CAST(email AS DATE) FROM people",
    "two lines": "SELECT CAST(email || chr(10) || email AS BIGINT) FROM people",
}


def people(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE people (id BIGINT PRIMARY KEY, email VARCHAR NOT NULL UNIQUE, city VARCHAR NOT NULL)"
        )
        connection.execute(sa.text("INSERT INTO people VALUES (1, :email, 'x')"), {"email": ADDRESS})


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_database_that_quotes_rows_is_not_quoted(
    make_warehouse: Callable[[str], Engine], kind: str, broken: str
) -> None:
    engine = make_warehouse(kind)
    people(engine)
    with pytest.raises(sa.exc.DBAPIError) as raised, engine.connect() as connection:
        connection.exec_driver_sql(BROKEN[broken]).all()
    assert "example.com" not in "".join(traceback.format_exception(raised.value))
    assert "example.com" not in message_of(raised.value)


def test_what_names_a_table_or_a_column_can_still_be_read(warehouse: Engine) -> None:
    people(warehouse)
    for query, name in (("SELECT 1 FROM persons", "persons"), ("SELECT surname FROM people", "surname")):
        with pytest.raises(sa.exc.DBAPIError, match=name) as raised, warehouse.connect() as connection:
            connection.exec_driver_sql(query)
        assert name in message_of(raised.value)

"""A warehouse user who may do less than its owner, and a server that goes away."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from audience_assets.destinations.base import RateWindow
from audience_assets.errors import WarehouseError
from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.rehearsal import rehearse_writing
from audience_assets.warehouse.slots import SqliteSlotLog, open_slot_log
from audience_assets.warehouse.state import State

WINDOWS = (RateWindow(75, 1),)
ROLE = f"audience_reader_{os.getpid()}"


@dataclass(frozen=True)
class Guest:
    """A user who may make nothing in the database, and its owner, who may."""

    engine: Engine
    owner: Engine

    def own(self, *statements: str) -> None:
        with self.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@pytest.fixture
def guest(postgres_database: str) -> Iterator[Guest]:
    url = make_url(postgres_database)
    as_role = url.update_query_dict({"options": f"-crole={ROLE}"}).render_as_string(hide_password=False)
    made = Guest(open_warehouse(as_role), open_warehouse(postgres_database))
    made.own(f"CREATE ROLE {ROLE}", f'REVOKE CREATE ON DATABASE "{url.database}" FROM PUBLIC')
    yield made
    made.engine.dispose()
    made.own(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")
    made.owner.dispose()


def test_a_schema_that_was_made_for_us_is_enough(guest: Guest, tmp_path: Path) -> None:
    guest.own(f"CREATE SCHEMA audience_assets AUTHORIZATION {ROLE}")
    for _ in range(2):
        State(guest.engine).create()
        assert open_slot_log(guest.engine, tmp_path).reserve("lists", WINDOWS, 1.0).wait == 0
    with guest.engine.connect() as connection:
        assert "list_vips" not in sa.inspect(connection).get_table_names(schema="audience_assets")
        assert "segment_run" in sa.inspect(connection).get_table_names(schema="audience_assets")


def test_whoever_may_not_make_our_schema_is_told_how_it_is_made(guest: Guest, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="CREATE SCHEMA audience_assets AUTHORIZATION"):
        State(guest.engine).create()
    with pytest.raises(WarehouseError, match="permission denied"):
        open_slot_log(guest.engine, tmp_path)


def test_whether_our_tables_can_be_written_is_tried_and_nothing_stays(guest: Guest) -> None:
    with pytest.raises(WarehouseError, match="CREATE SCHEMA audience_assets AUTHORIZATION"):
        rehearse_writing(State(guest.engine))
    guest.own(f"CREATE SCHEMA audience_assets AUTHORIZATION {ROLE}")
    assert rehearse_writing(State(guest.engine))
    with guest.engine.connect() as connection:
        assert not sa.inspect(connection).get_table_names(schema="audience_assets")
    guest.own(
        "ALTER SCHEMA audience_assets OWNER TO CURRENT_USER",
        f"GRANT USAGE ON SCHEMA audience_assets TO {ROLE}",
    )
    State(guest.owner).create()
    with pytest.raises(WarehouseError, match="permission denied for table schema_version: our state is kept in"):
        rehearse_writing(State(guest.engine))


def test_a_lost_server_is_one_error_and_no_traceback_in_the_log(
    guest: Guest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = open_slot_log(guest.owner, tmp_path)
    with guest.owner.connect() as connection:
        # The pool hands out what it has just found alive, so the server ends it in the middle of a reservation.
        connection.exec_driver_sql(
            "CREATE FUNCTION audience_assets.hang_up() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER hang_up BEFORE INSERT ON audience_assets.call_at EXECUTE FUNCTION audience_assets.hang_up()"
        )
        connection.commit()
    with caplog.at_level(logging.WARNING), pytest.raises(WarehouseError, match="refused to log a vendor call"):
        log.reserve("lists", WINDOWS, 1.0)
    assert not caplog.records
    guest.own("DROP TRIGGER hang_up ON audience_assets.call_at")
    assert log.reserve("lists", WINDOWS, 1.0).wait == 0


def test_a_call_log_that_can_not_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "audience_assets_calls.db").mkdir()
    with pytest.raises(WarehouseError, match="can't be written: unable to open"):
        SqliteSlotLog(tmp_path / "audience_assets_calls.db")

"""Our tables in a warehouse that an older or a newer release has used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.errors import WarehouseError
from audience_assets.warehouse.state import VERSION, MappedColumn, State

MakeWarehouse = Callable[[str], Engine]
# Of the first release: refusals did not remember what consent was known, lists did not remember their sizes.
OLD_TABLES = {
    "schema_version": "version INTEGER NOT NULL, applied_at TIMESTAMP",
    "destination_list": (
        "activation VARCHAR PRIMARY KEY, destination VARCHAR NOT NULL, service VARCHAR NOT NULL, "
        "vendor_list_id VARCHAR, name VARCHAR, url VARCHAR, created BOOLEAN, facts VARCHAR, columns VARCHAR NOT NULL, "
        "fence BIGINT NOT NULL, lease_owner VARCHAR, lease_until TIMESTAMP, approved_plan VARCHAR"
    ),
    "rejection": (
        "activation VARCHAR NOT NULL, sync VARCHAR NOT NULL, identifier VARCHAR NOT NULL, channel VARCHAR, "
        "operation VARCHAR NOT NULL, reason VARCHAR NOT NULL, detail VARCHAR, recheck VARCHAR NOT NULL, "
        "attempts BIGINT NOT NULL, first_seen TIMESTAMP NOT NULL, last_seen TIMESTAMP NOT NULL"
    ),
}
OLD_ROWS = {
    "schema_version": "(1, NULL)",
    "destination_list": (
        "('vips', 'klaviyo', 'klaviyo.subscription_list', 'L1', 'VIPs', NULL, NULL, NULL, '[]', 3, NULL, NULL, NULL)"
    ),
    "rejection": (
        "('vips', 's1', 'a@x.example', 'email', 'add', 'vendor_opt_out', NULL, 'when_changed', 2, "
        "'2026-01-01 00:00:00', '2026-01-02 00:00:00')"
    ),
}


@pytest.fixture
def old_state(warehouse: Engine) -> State:
    state = State(warehouse)
    with warehouse.begin() as connection:
        if state.metadata.schema:
            connection.exec_driver_sql(f"CREATE SCHEMA {state.metadata.schema}")
        for name, columns in OLD_TABLES.items():
            full = ".".join(part for part in (state.metadata.schema, state.table_name(name)) if part)
            connection.exec_driver_sql(f"CREATE TABLE {full} ({columns})")
            connection.exec_driver_sql(f"INSERT INTO {full} VALUES {OLD_ROWS[name]}")
    return state


def versions(state: State) -> list[int]:
    with state.engine.connect() as connection:
        query = sa.select(state.version.c.version).order_by(state.version.c.version)
        return list(connection.scalars(query))


def test_an_older_state_gets_what_it_lacks_and_keeps_what_it_holds(old_state: State) -> None:
    old_state.create()
    assert versions(old_state)[-1] == VERSION
    with old_state.engine.connect() as connection:
        for table in old_state.metadata.tables.values():
            connection.execute(sa.select(table)).all()
        [refusal] = connection.execute(sa.select(old_state.rejection)).all()
        [registered] = connection.execute(sa.select(old_state.destination_list)).all()
    assert (refusal.identifier, refusal.attempts, refusal.consent_at) == ("a@x.example", 2, None)
    assert (registered.vendor_list_id, registered.fence, registered.sizes) == ("L1", 3, None)


def test_a_state_is_brought_up_to_date_once(old_state: State) -> None:
    old_state.create()
    State(old_state.engine).create()
    assert versions(old_state) == [1, VERSION]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_programs_that_start_together_create_one_state(make_warehouse: MakeWarehouse, kind: str) -> None:
    engine = make_warehouse(kind)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(State(engine).create) for _ in range(4)]:
            done.result()
    assert versions(State(engine)) == [VERSION]


def test_a_newer_state_is_refused_and_left_as_it_is(old_state: State) -> None:
    with old_state.engine.begin() as connection:
        connection.execute(old_state.version.insert().values(version=VERSION + 1))
    with pytest.raises(WarehouseError, match=rf"has version {VERSION + 1}, this program knows {VERSION}: update"):
        old_state.create()
    present = sa.inspect(old_state.engine).get_table_names(schema=old_state.metadata.schema)
    assert sorted(present) == sorted(old_state.table_name(name) for name in OLD_TABLES)


def test_a_change_of_our_tables_is_a_new_version(make_warehouse: MakeWarehouse) -> None:
    """When this fails: raise VERSION, see that what is new may be NULL, and write the new digest here."""
    state = State(make_warehouse("sqlite"))
    columns = sorted((table.name, column.name) for table in state.metadata.tables.values() for column in table.columns)
    digest = hashlib.sha256(repr(columns).encode()).hexdigest()[:12]
    assert (VERSION, digest) == (8, "7f8c1dd50c15")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_table_declared_again_is_the_same_object(make_warehouse: MakeWarehouse, kind: str) -> None:
    """SQLAlchemy compiles a statement anew for every table object it is written with."""
    state = State(make_warehouse(kind))
    number, text = (MappedColumn("city", "v_city", kind) for kind in ("integer", "text"))
    first = state.list_tables("vips", "integer", [text])
    changed = state.list_tables("vips", "integer", [number])
    assert changed.ledger is not first.ledger
    again = state.list_tables("vips", "integer", [text])
    assert (again.ledger, again.change, again.duplicate) == (first.ledger, first.change, first.duplicate)
    assert (len(again.ledger.indexes), len(again.change.indexes)) == (1, kind == "postgresql")
    assert state.segment("vips", "integer") is state.segment("vips", "integer")
    assert state.segment("vips", "integer") is not state.segment("vips", "text")

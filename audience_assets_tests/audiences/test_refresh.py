"""A refresh makes the membership table equal to the definition, and writes only what changed."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.preview import preview
from audience_assets.audiences.refresh import SegmentRun, refresh_segment
from audience_assets.errors import WarehouseError
from audience_assets.warehouse.state import State
from audience_assets_tests.audiences.shop import AS_OF, load, shop_project, shop_rows, shop_state

LATER = AS_OF + timedelta(days=1)
ADULTS: dict[str, Any] = {"adults": {"where": {"field": "age", "op": "gte", "value": "18"}}}


@pytest.fixture
def state(warehouse: Engine) -> State:
    load(warehouse, shop_rows())
    return shop_state(warehouse)


def refresh(state: State, name: str = "adults", as_of: Any = AS_OF, **segments: Any) -> SegmentRun:
    return refresh_segment(state.engine, state, shop_project({**ADULTS, **segments}), name, as_of)


def change(state: State, age: int | None, *keys: int) -> None:
    customers = Catalogue(shop_project().settings).table("customers")
    with state.engine.begin() as connection:
        connection.execute(sa.update(customers).where(customers.c.customer_id.in_(keys)).values({"age": age}))


def stored(state: State, name: str = "adults") -> dict[int, Any]:
    with state.engine.connect() as connection:
        return {row.user_key: row.entered_at for row in connection.execute(sa.select(state.segment(name, "integer")))}


def adults() -> set[int]:
    return {
        row["customer_id"]
        for row in shop_rows()["customers"]
        if row["closed"] is not True and row["age"] is not None and row["age"] >= 18
    }


def test_the_first_refresh_stores_everybody(state: State) -> None:
    run = refresh(state)
    assert stored(state) == dict.fromkeys(adults(), AS_OF)
    assert (run.size, run.entered, run.left, run.previous_size) == (len(adults()), len(adults()), 0, 0)
    assert run.as_of == AS_OF
    with state.engine.connect() as connection:
        row = connection.execute(sa.select(state.segment_run)).mappings().one()
    assert {key: row[key] for key in ("segment", "as_of", "size", "version", "definition_hash")} == {
        "segment": "adults",
        "as_of": AS_OF,
        "size": run.size,
        "version": run.version,
        "definition_hash": run.definition_hash,
    }


def test_only_those_who_entered_or_left_are_written(state: State) -> None:
    first = refresh(state)
    leaver, newcomer = min(adults()), min(set(_alive()) - adults())
    change(state, 3, leaver)
    change(state, 40, newcomer)
    second = refresh(state, as_of=LATER)
    assert (second.entered, second.left, second.size) == (1, 1, first.size)
    assert second.previous_size == first.size
    assert second.version != first.version
    assert stored(state) == {**dict.fromkeys(adults() - {leaver}, AS_OF), newcomer: LATER}
    with state.engine.connect() as connection:
        left = [tuple(row) for row in connection.execute(sa.select(state.segment_history))]
    assert left == [("adults", str(leaver), AS_OF, LATER)]


def _alive() -> list[int]:
    return [row["customer_id"] for row in shop_rows()["customers"] if row["closed"] is not True]


def test_nothing_changed_keeps_the_version_and_writes_no_member(state: State) -> None:
    first = refresh(state)
    before = stored(state)
    second = refresh(state, as_of=LATER)
    assert (second.entered, second.left, second.size) == (0, 0, first.size)
    assert second.version == first.version
    assert stored(state) == before


def test_the_version_follows_the_members_not_the_definition(state: State) -> None:
    first = refresh(state)
    reworded = {"where": {"all": [{"field": "age", "op": ">=", "value": "18"}, {"field": "age", "op": "is_set"}]}}
    second = refresh(state, adults=reworded)
    assert second.definition_hash != first.definition_hash
    assert second.version == first.version
    assert refresh(state, adults={**reworded, "label": "Grown up"}).definition_hash == second.definition_hash


def test_a_segment_can_become_empty_and_fill_again(state: State) -> None:
    first = refresh(state)
    emptied = refresh(state, as_of=LATER, adults={"where": {"field": "age", "op": "gt", "value": "4000000000000"}})
    assert (emptied.size, emptied.left) == (0, first.size)
    assert stored(state) == {}
    again = refresh(state, as_of=LATER)
    assert again.entered == first.size
    assert len({first.version, emptied.version, again.version}) == 3


def test_joined_and_left_within_follow_the_refreshes(state: State) -> None:
    newcomer, leaver = min(set(_alive()) - adults()), min(adults())
    refresh(state)
    change(state, 40, newcomer)
    change(state, 3, leaver)
    refresh(state, as_of=LATER)
    recent = {"where": {"segment": "adults", "joined_within": "1h"}}
    gone = {"where": {"segment": "adults", "left_within": "1h"}}
    refresh(state, "recent", LATER, recent=recent)
    refresh(state, "gone", LATER, gone=gone)
    assert set(stored(state, "recent")) == {newcomer}
    assert set(stored(state, "gone")) == {leaver}


@pytest.mark.parametrize("condition", [{"joined_within": "1h"}, {"left_within": "1h", "is_member": False}])
def test_a_segment_that_was_never_computed_is_not_an_empty_one(state: State, condition: dict[str, Any]) -> None:
    lately = {"where": {"segment": "adults", **condition}}
    said = r"segment adults was never computed.* audience-assets insights adults"
    with pytest.raises(WarehouseError, match=said):
        refresh(state, "lately", lately=lately)
    with pytest.raises(WarehouseError, match=said):
        preview(state.engine, state, shop_project({**ADULTS, "lately": lately}), "lately", AS_OF)
    refresh(state)
    refresh(state, "lately", lately=lately)


def test_a_preview_reads_the_lists_it_needs(state: State, tmp_path: Path) -> None:
    project = shop_project({"friends": {"where": {"list": "friends"}}}, tmp_path)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/friends.csv").write_text(f"customer_id\n{_alive()[0]}\n")
    assert len(preview(state.engine, state, project, "friends", AS_OF)) == 1


def test_uploaded_lists_are_read_with_each_refresh(state: State, tmp_path: Path) -> None:
    friends = {"friends": {"where": {"list": "friends"}}}
    keys = _alive()[:3]
    project = shop_project(friends, tmp_path)
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "friends.csv"
    file.write_text("name,customer_id\n" + "".join(f'"x, y",{key}\n' for key in [*keys, keys[0], 999]) + "z,\n\n")
    assert refresh_segment(state.engine, state, project, "friends", AS_OF).size == 3
    file.write_text(f"customer_id\n{keys[1]}\n")
    assert refresh_segment(state.engine, state, project, "friends", AS_OF).left == 2
    file.write_text("customer_id\n12\nann@example.com\n")
    with pytest.raises(WarehouseError, match=r"friends\.csv:3: the key is not of type integer") as refused:
        refresh_segment(state.engine, state, project, "friends", AS_OF)
    assert "ann@example.com" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"), [("", r"friends\.csv is empty"), ("12\n13\n", r"friends\.csv:1: the first line is a key")]
)
def test_an_uploaded_list_has_a_header(state: State, tmp_path: Path, text: str, says: str) -> None:
    project = shop_project({"friends": {"where": {"list": "friends"}}}, tmp_path)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/friends.csv").write_text(text)
    with pytest.raises(WarehouseError, match=says):
        refresh_segment(state.engine, state, project, "friends", AS_OF)


@pytest.mark.parametrize(("key", "words"), [(None, "is missing"), (7, "is not unique")])
def test_a_bad_key_stops_the_refresh_and_changes_nothing(state: State, key: int | None, words: str) -> None:
    first = refresh(state)
    before = stored(state)
    customers = Catalogue(shop_project().settings).table("customers")
    with state.engine.begin() as connection:
        connection.execute(sa.insert(customers).values({"customer_id": key, "age": 50, "closed": False}))
        connection.execute(
            sa.update(customers).where(customers.c.customer_id == 7).values({"age": 50, "closed": False})
        )
    with pytest.raises(WarehouseError, match=words) as refused:
        refresh(state, as_of=LATER)
    assert "customers.customer_id" in str(refused.value)
    assert stored(state) == before
    with state.engine.connect() as connection:
        assert connection.scalars(sa.select(state.segment_run.c.version)).all() == [first.version]


def test_a_missing_column_is_named(state: State) -> None:
    with state.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE customer_360 DROP COLUMN age")
    with pytest.raises(WarehouseError, match="model customers: field 'age' needs a column 'age'"):
        refresh(state)


def test_a_missing_table_is_named(state: State) -> None:
    with state.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE orders")
    with pytest.raises(WarehouseError, match="model orders: the warehouse has no readable table 'orders'"):
        refresh(state, "regulars")


BUSY: dict[str, Any] = {
    "where": {
        "all": [
            {"related": "orders", "op": "gte", "value": "1"},
            {"consent": {"channel": "email", "status": "subscribed"}},
            {"segment": "adults"},
            {"field": "dearest", "op": "is", "value": "12.5"},
        ]
    }
}
NUMBERS = (
    "WITH RECURSIVE d(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM d WHERE i < 200), "
    "n AS (SELECT a.i + 200 * (b.i - 1) AS i FROM d AS a CROSS JOIN d AS b WHERE b.i <= 100) SELECT"
)


def test_large_tables_without_an_index_are_joined_as_sets(warehouse: Engine) -> None:
    """Row by row or by nested loops this takes minutes; the database has no statistics to help it."""
    load(warehouse, {model: [] for model in shop_rows(customers=1)})
    state, at = shop_state(warehouse), "CAST('2026-01-02 03:04:05' AS timestamp)"
    if warehouse.dialect.name == "sqlite":
        at = "'2026-01-02 03:04:05'"
    with warehouse.begin() as connection:
        for table, values in {
            "customer_360 (customer_id, age)": "i, 40",
            "orders (order_id, customer_id, ordered_at, amount)": f"CAST(i AS varchar), i, {at}, 12.5",
            "consent_events (consent_id, customer_id, consent_at, channel, status)": (
                f"CAST(i AS varchar), i, {at}, 'email', 'subscribed'"
            ),
        }.items():
            connection.exec_driver_sql(f"INSERT INTO {table} {NUMBERS} {values} FROM n")
    started = time.monotonic()
    assert refresh(state).size == 20_000
    assert refresh(state, "busy", busy=BUSY).size == 20_000
    assert time.monotonic() - started < 10

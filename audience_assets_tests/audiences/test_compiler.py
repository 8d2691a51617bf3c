"""What the compiler promises beside choosing the right people."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlglot
from hypothesis import given, settings
from sqlalchemy.engine import Engine
from sqlglot import exp

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.compiler import compile_segment
from audience_assets.audiences.display import DIALECTS, segment_sql
from audience_assets.audiences.refresh import refresh_segment
from audience_assets.errors import WarehouseError
from audience_assets.project.models import Segment
from audience_assets.project.project import Project, ProjectFile
from audience_assets_tests.audiences.conftest import Shop
from audience_assets_tests.audiences.evaluator import World
from audience_assets_tests.audiences.shop import AS_OF, SEGMENTS, shop_project, shop_state
from audience_assets_tests.audiences.trees import Node, customers

SQLGLOT = {"postgresql": "postgres"}
INJECTIONS = [
    "'; DROP TABLE customer_360; --",
    "' OR '1'='1",
    "\\'; DELETE FROM orders; --",
    '"; DROP TABLE orders; --',
    "%' OR 1=1 --",
    ":param_1",
    "%(param_1)s",
    "$1 ? {0}",
    "*/ SELECT 1 /*",
]


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize("op", ["is", "is_not", "contains", "starts_with", "ends_with", "in"])
def test_values_are_only_ever_values(shop: Shop, op: str, value: str) -> None:
    node = {"field": "nickname", "op": op, "value": [value] if op == "in" else value}
    everyone = {row["customer_id"] for row in shop.world.everyone()}
    assert set(shop.members({"where": node})) == (everyone if op == "is_not" else set())
    with shop.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sa.table("customer_360"))) == 60


@pytest.mark.parametrize("name", ["spenders", "regulars"])
def test_the_same_time_gives_the_same_members(shop: Shop, name: str) -> None:
    assert set(shop.members(SEGMENTS[name])) == set(shop.members(SEGMENTS[name])) == shop.world.members(name)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_limit_keeps_the_first(shop: Shop, order: str) -> None:
    definition = {"limit": {"top": "9", "by": "ltv", "order": order}}
    world = World(shop.world.rows, segments={"tested": definition})
    assert set(shop.members(definition)) == world.members("tested")


def test_lists_are_compared_item_by_item(shop: Shop) -> None:
    for op, value in [
        ("includes_any", ["jazz", "50%"]),
        ("includes_all", ["jazz", "O'Neil"]),
        ("includes_none", ["jazz"]),
        ("length_gte", "1"),
        ("length_lte", "0"),
    ]:
        node = {"field": "interests", "op": op, "value": value}
        expected = {r["customer_id"] for r in shop.world.everyone() if shop.world.holds(node, "customers", r)}
        assert set(shop.members({"where": node})) == expected, op


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gets_one_readable_statement(shops: dict[str, Shop], dialect: str) -> None:
    @given(tree=customers)
    @settings(max_examples=40)
    def parses(tree: Node) -> None:
        text = segment_sql(shop_project({"tested": {"where": tree}}), "tested", dialect, AS_OF)
        [parsed] = sqlglot.parse(text, read=SQLGLOT.get(dialect, dialect))
        assert isinstance(parsed, exp.Select)
        assert not [node for node in parsed.find_all(exp.In) if node.args.get("query")], "a subquery in IN"
        assert not list(parsed.find_all(exp.Exists)), "a correlated subquery"

    parses()


def test_shown_sql_finds_the_same_people(shops: dict[str, Shop]) -> None:
    """Display only, but what is shown must mean what is run."""
    node = {"any": [{"field": "city", "op": "is", "value": value} for value in ("O'Neil", "back\\slash", "50% off")]}
    for kind, shop in shops.items():
        text = segment_sql(shop_project({"tested": {"where": node}}), "tested", kind, AS_OF)
        with shop.engine.connect() as connection:
            found = connection.execute(sa.text(text.replace(":", "\\:"))).scalars().all()
        assert set(found) == set(shop.members({"where": node}))


def test_an_unknown_dialect_names_the_known_ones() -> None:
    with pytest.raises(WarehouseError, match="snowflake"):
        segment_sql(shop_project(), "staff", "oracle9", AS_OF)


def test_equal_parts_are_computed_once(shops: dict[str, Shop]) -> None:
    orders: dict[str, Any] = {"related": "orders", "window": {"within": "90d"}}
    node = {
        "all": [
            {**orders, "op": "gte", "value": "2"},
            {**orders, "measure": "sum:amount", "op": "gt", "value": "10"},
            {"segment": "other"},
            {"not": {**orders, "quantifier": "none"}},
        ]
    }
    project = shop_project({"tested": {"where": node}, "other": {"where": {**orders, "op": "lt", "value": "50"}}})
    text = str(compile_segment(project, "tested", AS_OF, state=shops["sqlite"].state))
    assert len(re.findall(r"FROM orders\b", text)) == 1


def test_long_names_stay_apart(shops: dict[str, Shop]) -> None:
    long = "everybody_who_ever_signed_up_for_the_spring_newsletter_in_paris"
    node = {"any": [{"segment": long, "joined_within": each} for each in ("1d", "30d")] + [{"segment": long}]}
    for kind, shop in shops.items():
        shop.state.segment(long, "integer").create(shop.engine, checkfirst=True)
        found = shop.members({"where": node}, **{long: {"where": {"field": "vip", "op": "is_true"}}})
        expected = {row["customer_id"] for row in shop.world.everyone() if row["vip"]}
        assert set(found) == expected, kind


def test_time_comes_from_as_of_alone(shops: dict[str, Shop]) -> None:
    node = {"related": "orders", "window": {"within": "1d"}}
    project = shop_project({"tested": {"where": node}})
    compiled = [
        compile_segment(project, "tested", AS_OF + timedelta(days=days), state=shops["sqlite"].state).compile()
        for days in (0, 1)
    ]
    assert str(compiled[0]) != str(compiled[1]) or compiled[0].params != compiled[1].params
    assert "now" not in str(compiled[0]).lower()


PEOPLE: dict[str, Any] = {
    "project": "ids",
    "warehouse": {"url": "sqlite://"},
    "models": {
        "people": {
            "type": "users",
            "table": "crm.people",
            "key": "id",
            "key_type": "uuid",
            "fields": {"id": {"type": "uuid"}, "parent": {"type": "uuid"}, "name": {"type": "text"}},
        },
        "visits": {"type": "events", "table": "crm.visits", "key": "visit", "timestamp": "at"},
    },
    "relationships": [
        {"from": "people", "to": "visits", "kind": "has_many", "on": {"id": "person"}},
        {"from": "people", "to": "people", "kind": "belongs_to", "on": {"parent": "id"}, "name": "guardian"},
    ],
    "calculated_fields": {"people": {"visits": {"aggregate": "count", "over": "visits"}}},
}
BY_GUARDIAN = {"field": "guardian.visits", "op": "is", "value": "2"}
NO_VISIT = {"field": "visits", "op": "is", "value": "0"}


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_schemas_uuid_keys_and_paths_to_the_same_model(make_warehouse: Callable[[str], Engine], kind: str) -> None:
    engine, settings = make_warehouse(kind), ProjectFile.model_validate(PEOPLE)
    people, visits = (Catalogue(settings).table(model) for model in ("people", "visits"))
    adult, child, other = (f"{'abc'[n] * 8}-1111-4111-8111-111111111111" for n in range(3))
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("crm"))
        people.create(connection)
        visits.create(connection)
        rows: list[dict[str, Any]] = [
            {"id": adult, "parent": None},
            {"id": child, "parent": adult},
            {"id": other, "parent": None},
        ]
        connection.execute(sa.insert(people), rows)
        visited = [{"visit": str(n), "person": adult, "at": AS_OF} for n in range(2)]
        connection.execute(sa.insert(visits), visited)
    tree = {"any": [{"all": [BY_GUARDIAN, NO_VISIT]}, {"field": "id", "op": "is", "value": other.upper()}]}
    segment = Segment.model_validate({"segment": "children", "where": tree})
    project = Project(Path(), settings, {"children": segment}, {}, {})
    state = shop_state(engine)
    assert refresh_segment(engine, state, project, "children", AS_OF + timedelta(seconds=1)).size == 2
    with engine.connect() as connection:
        keys = connection.scalars(sa.select(state.segment("children", "uuid").c.user_key)).all()
    assert {str(key) for key in keys} == {child, other}

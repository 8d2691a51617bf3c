"""From customers to rows, before anything is sent: shrink by reason, and expansion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.audiences.insights import segment_insights
from audience_assets.audiences.refresh import refresh_segment
from audience_assets.project.needs import audience_needs
from audience_assets.runtime import Runtime
from audience_assets.sync.plan import Planner
from audience_assets.sync.reach import Reach, measure_reach, rows_to_send

FILES = {
    "project.yaml": """
project: readers
warehouse: {url: "sqlite:///warehouse.sqlite"}
models:
  guests: {type: users, table: guests, key: id, key_type: integer, fields: {city: {type: text}}}
  merged_customers:
    type: custom
    table: merged_customers
    key: id
    key_type: integer
    fields: {email: {type: text}, name: {type: text}}
""",
    "destinations.yaml": """
destinations:
  klaviyo:
    type: klaviyo
    api_key: {env: NO_KEY}
    default_attributes: {model: merged_customers, identifiers: {email: email}, fields: {first_name: name}}
""",
    "segments/all.yaml": "segment: everyone\n",
    "activations/all.yaml": "segment: everyone\ndestination: klaviyo\nservice: klaviyo.audience_list\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "warehouse.sqlite").touch()
    return tmp_path


def reached(
    folder: Path, guests: list[int], merged: list[tuple[int, str | None]]
) -> tuple[Reach, list[dict[str, Any]]]:
    """Of a list whose addresses are in another table, which nothing keeps unique."""
    with Runtime.open(folder) as runtime:
        engine = runtime.engine
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE guests (id BIGINT PRIMARY KEY, city TEXT)")
            connection.exec_driver_sql("CREATE TABLE merged_customers (id BIGINT, email TEXT, name TEXT)")
            connection.execute(sa.text("INSERT INTO guests VALUES (:id, 'Oslo')"), [{"id": key} for key in guests])
            rows = [{"id": key, "email": email} for key, email in merged]
            connection.execute(sa.text("INSERT INTO merged_customers VALUES (:id, :email, 'Ann')"), rows)
        now = runtime.now()
        refresh_segment(engine, runtime.state, runtime.project, "everyone", now)
        planner = Planner(runtime, "all", now)
        desired = planner.unplanned()
        with engine.connect() as connection:
            return measure_reach(connection, planner, desired), list(rows_to_send(connection, desired, 2))


def test_customers_without_an_address_and_with_anothers_shrink(folder: Path) -> None:
    addresses = [(1, "a@shop.example"), (2, " A@Shop.example "), (3, None), (4, " "), (5, "b@shop.example")]
    found, rows = reached(folder, [1, 2, 3, 4, 5, 6], addresses)
    assert found == Reach(6, 2, 0, {"no email": 3, "the same email as another": 1})
    assert found.customers == found.rows + found.lost
    assert rows == [
        {"identifier": "a@shop.example", "email": "a@shop.example", "first_name": "Ann"},
        {"identifier": "a@shop.example", "email": " A@Shop.example ", "first_name": "Ann"},
    ]


def test_what_is_no_address_is_no_row(folder: Path) -> None:
    """As insights and a delivery judge it."""
    found, rows = reached(folder, [1, 2, 3, 4], [(1, "ann"), (2, "b@shop"), (3, " C@shop.example "), (4, None)])
    assert found == Reach(4, 1, 0, {"no email": 1, "no usable email": 2})
    assert [row["identifier"] for row in rows] == ["c@shop.example"]
    with Runtime.open(folder) as runtime:
        needs = audience_needs(runtime.project, "everyone")
        told = segment_insights(runtime.engine, runtime.state, runtime.project, "everyone", runtime.now(), needs)
    assert told.lists["all"].reached == found.rows


def test_several_rows_of_a_customer_are_expansion(folder: Path) -> None:
    found, _ = reached(folder, [1, 2], [(1, "a@shop.example"), (1, "b@shop.example"), (2, "c@shop.example")])
    assert found == Reach(2, 3, 1)

"""A whole project reads as what it says."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from audience_assets.project.conditions import FieldCondition
from audience_assets.project.describe import describe
from audience_assets.project.load import load_project
from audience_assets.project.operators import OPERATORS
from audience_assets_tests.project.folder import SHOP, mistakes, write

VALUES = {
    "text": "x",
    "integer": "3",
    "number": "2.5",
    "date": "2026-01-31",
    "timestamp": "today-1mo",
    "uuid": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "list": "x",
}
FIELDS = {
    "text": "city",
    "integer": "age",
    "number": "ltv",
    "boolean": "vip",
    "date": "birthdate",
    "timestamp": "created_at",
    "list": "interests",
}


def test_the_shop_is_read() -> None:
    project = load_project(SHOP)
    assert list(project.models) == ["customers", "orders", "products", "order_items", "consents"]
    assert sorted(project.segments) == ["big_spenders", "churn_risk", "sock_fans", "staff"]
    assert project.segments["churn_risk"].label == "Churn risk"
    assert project.users_model("staff") == "customers"
    assert project.settings.timezone == "Europe/Paris"


def test_values_keep_their_spelling(shop: Path) -> None:
    write(
        shop, "segments/traps.yaml", "where: {field: country, op: in, value: [NO, 0123, 3.10, 2026-01-01, '77', on]}\n"
    )
    where = load_project(shop).segments["traps"].where
    assert isinstance(where, FieldCondition)
    assert where.value == ["NO", "0123", "3.10", "2026-01-01", "77", "on"]


def test_a_project_without_activations_needs_no_destinations(shop: Path) -> None:
    (shop / "destinations.yaml").unlink()
    for path in shop.glob("activations/*.yaml"):
        path.unlink()
    assert load_project(shop).effective == {}


@pytest.mark.parametrize(
    ("op", "kind"), [pair for pair in itertools.product(OPERATORS, FIELDS) if pair[1] in OPERATORS[pair[0]].types]
)
def test_every_operator_is_accepted_on_each_of_its_types(shop: Path, op: str, kind: str) -> None:
    operator = OPERATORS[op]
    one = {"duration": "30d", "month": "march", "length": "2", "item": "x", "value": VALUES.get(kind, "")}[
        operator.operand
    ]
    value = {"none": "", "one": one, "two": f"[{one}, {one}]", "many": f"[{one}]"}[operator.arity]
    said = f", value: {value}" if value else ""
    write(shop, "segments/tried.yaml", f"where: {{field: {FIELDS[kind]}, op: {op}{said}}}\n")
    tried = load_project(shop).segments["tried"]
    assert FIELDS[kind] in describe(tried.where, load_project(SHOP))


@pytest.mark.parametrize(
    "where",
    [
        "{field: age, op: '>=', value: 18}",
        "{field: age, op: is exactly, value: {field: ltv}}",
        "{field: revenue_12m, op: between, value: [1, 5], bounds: '()'}",
        "{field: last_order_at, op: in_last, value: 30d}",
        "{field: created_at, op: between, value: [start_of_month-1mo, 2026-12-31T12:00]}",
        "{related: orders, measure: 'count_distinct:channel', op: is, value: 2}",
        "{related: orders, op: between, value: [1, 3], bounds: '[)'}",
        "{related: orders, quantifier: all, where: {field: amount, op: gt, value: 10}}",
        "{related: orders, where: {field: customer.country, op: is, value: FR}}",
        "{related: orders, where: {related: order_items, measure: 'sum:quantity', op: gt, value: 3}}",
        "{segment: staff, is_member: false, joined_within: 30d}",
        "{consent: {channel: sms, status: subscribed, at: {within: 2y}}}",
        "{received: {within: 7d, at_least: 2}}",
        "{rank: {by: ltv, top_percent: 5}}",
        "{sample: {percent: 12.5, salt: spring-2026}}",
    ],
)
def test_what_is_accepted(shop: Path, where: str) -> None:
    write(shop, "segments/tried.yaml", f"where: {where}\n")
    assert load_project(shop).segments["tried"].where is not None


def test_relationships_of_one_pair_are_told_apart_by_name(shop: Path) -> None:
    path = shop / "project.yaml"
    gifts = "  - {from: customers, to: orders, kind: has_many, on: {customer_id: recipient_id}, name: gifts}\n"
    path.write_text(path.read_text().replace("calculated_fields:", gifts + "calculated_fields:"))
    write(shop, "segments/gifted.yaml", "where: {related: gifts}\n")
    assert "gifted" in load_project(shop).segments


def test_a_relationship_declared_from_both_sides_is_one(shop: Path) -> None:
    path = shop / "project.yaml"
    back = "  - {from: orders, to: customers, kind: belongs_to, on: {customer_id: customer_id}, name: buyer}\n"
    path.write_text(path.read_text().replace("calculated_fields:", back + "calculated_fields:"))
    write(
        shop,
        "segments/french.yaml",
        "where: {related: orders, where: {all: [{field: buyer.country, op: is, value: FR}, "
        "{field: customer.vip, op: is_true}]}}\n",
    )
    assert "french" in load_project(shop).segments


def test_a_path_that_could_mean_two_relationships_is_refused(shop: Path) -> None:
    path = shop / "project.yaml"
    gifts = "  - {from: customers, to: orders, kind: has_many, on: {customer_id: recipient_id}, name: gifts}\n"
    path.write_text(path.read_text().replace("calculated_fields:", gifts + "calculated_fields:"))
    write(shop, "segments/french.yaml", "where: {related: gifts, where: {field: customer.vip, op: is_true}}\n")
    assert mistakes(shop) == [
        "segments/french.yaml:1: where.where.field: 'orders' has several relationships called 'customer' "
        "(declare the one you mean as belongs_to from 'orders', with a name)"
    ]


def test_a_segment_in_words() -> None:
    project = load_project(SHOP)
    assert describe(project.segments["churn_risk"].where, project).split("\n") == [
        "all of:",
        "  country is one of FR, BE, NO",
        "  email is known",
        "  sum of orders.amount is at least 300 in the last 12mo",
        "  has no orders in the last 60d",
        "  not:",
        "    is in segment staff",
        "  the newest email consent is subscribed",
    ]
    assert describe(project.segments["sock_fans"].where, project).split("\n") == [
        "any of:",
        "  number of orders is at least 2 between 180d and 30d ago where",
        "    all of:",
        "      channel is online",
        "      has order_items where",
        "        product.category is socks",
        "  all of:",
        "    vip is true",
        "    birthdate has its anniversary in the next 7d",
    ]
    assert describe(None, project) == "everybody"

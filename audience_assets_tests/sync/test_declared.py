"""What the engine reads of a declared project: consent, calculated and related fields, on every embedded warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets_tests.sync.declared import (
    GUEST_CHOICES,
    GUESTS,
    HOMES,
    HOUSEHOLD_CHOICES,
    PURCHASES,
    Bakery,
    open_bakery,
)

Open = Callable[[str], Bakery]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GUEST_ROWS = [
    {"id": 1, "email": "ann@bakery.example", "household": 2, "visits": 4},
    {"id": 2, "email": "bob@bakery.example", "household": 1, "visits": 2},
]


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def bakery(tmp_path: Path, warehouse: sa.Engine) -> Iterator[Open]:
    opened: list[Bakery] = []

    def open_one(activation: str) -> Bakery:
        opened.append(open_bakery(tmp_path, warehouse, activation))
        opened[-1].insert(GUESTS, *GUEST_ROWS)
        return opened[-1]

    yield open_one
    for each in opened:
        each.runtime.close()


def test_consent_is_read_from_the_history_that_the_activation_names(bakery: Open) -> None:
    shop = bakery(
        "mapping: {identifiers: {email: email}}\noptions: {consent: true}\nconsent: {history: {model: guest_choices}}\n"
    )
    choice = {"channel": "email", "status": "subscribed"}
    shop.insert(GUEST_CHOICES, {"id": 1, "guest": 1, "chosen_at": ago(3), **choice})
    # Of the households, which are numbered the other way round.
    shop.insert(HOUSEHOLD_CHOICES, {"id": 1, "household": 1, "chosen_at": ago(1), **choice})
    shop.sync(NOW)
    found = {identifier: (each.status, each.at) for identifier, each in shop.evidence.items()}
    assert found == {"ann@bakery.example": ("opted_in", ago(3)), "bob@bakery.example": (None, None)}


CALCULATED = """
mapping:
  identifiers: {email: email}
  fields: {Bought: bought, Spent: spent, Last: last_bought_at, Visits: visits, "Spent a visit": spent_a_visit}
"""


def purchase(number: int, guest: int, amount: float, days_ago: int) -> dict[str, object]:
    return {"id": number, "guest": guest, "amount": amount, "bought_at": ago(days_ago)}


def test_calculated_fields_are_attributes_like_any_other(bakery: Open) -> None:
    shop = bakery(CALCULATED)
    amounts = (0.1, 0.2, 3.4)
    shop.insert(PURCHASES, *(purchase(number, 1, amount, 11 * number) for number, amount in enumerate(amounts, 1)))
    assert shop.sync(NOW).added == 2
    held = shop.vendor.held()
    assert held["ann@bakery.example"] == {
        "email": "ann@bakery.example",
        "Bought": 2,
        "Spent": 3.7,
        "Last": str(ago(11)),
        "Visits": 4,
        "Spent a visit": 0.925,
    }
    of_bob = {"Bought": 0, "Spent": 0.0, "Last": None, "Visits": 2, "Spent a visit": 0.0}
    assert held["bob@bakery.example"] == {"email": "bob@bakery.example", **of_bob}

    assert shop.sync(NOW).state == "unchanged"
    shop.insert(PURCHASES, purchase(4, 2, 5.0, 1))
    report = shop.sync(NOW)
    assert (report.added, report.updated, report.removed) == (0, 1, 0)
    assert shop.vendor.held()["bob@bakery.example"]["Spent a visit"] == 2.5


def test_the_window_of_a_calculated_field_ends_when_the_sync_says(bakery: Open) -> None:
    shop = bakery("mapping: {identifiers: {email: email}, fields: {Bought: bought}}\n")
    shop.insert(PURCHASES, purchase(1, 1, 5.0, 0), purchase(2, 1, 5.0, 20))
    shop.sync(NOW + timedelta(hours=1))
    assert shop.vendor.held()["ann@bakery.example"]["Bought"] == 2
    report = shop.sync(NOW + timedelta(days=20))
    assert (report.updated, shop.vendor.held()["ann@bakery.example"]["Bought"]) == (1, 1)


def test_calculated_fields_of_users_who_share_an_address(bakery: Open) -> None:
    shop = bakery(CALCULATED)
    shop.insert(GUESTS, {"id": 3, "email": "BOB@bakery.example", "household": 3, "visits": 1})
    shop.insert(PURCHASES, purchase(1, 2, 5.0, 1), purchase(2, 3, 7.0, 1))
    assert shop.sync(NOW).added == 2
    assert shop.vendor.held()["bob@bakery.example"]["Spent"] == 5.0, "the smallest key stands for both"
    shop.insert(PURCHASES, purchase(3, 3, 7.0, 1))
    assert shop.sync(NOW).updated == 0, "the other one is not shown"


def test_without_calculated_fields_nothing_is_joined(bakery: Open) -> None:
    shop = bakery("mapping: {identifiers: {email: email}, fields: {Visits: visits}}\n")
    PURCHASES.drop(shop.runtime.engine)
    assert shop.sync(NOW).added == 2


def test_fields_of_a_model_that_the_users_belong_to(bakery: Open) -> None:
    """Without a row there they are empty, and nobody is lost for it."""
    shop = bakery("mapping: {identifiers: {email: email}, fields: {City: home.city, Spent: spent}}\n")
    shop.insert(HOMES, {"number": 2, "city": "Lyon"}, {"number": 3, "city": "Nice"})
    assert shop.sync(NOW).added == 2
    assert {name: held["City"] for name, held in shop.vendor.held().items()} == {
        "ann@bakery.example": "Lyon",
        "bob@bakery.example": None,
    }
    shop.insert(HOMES, {"number": 1, "city": "Metz"})
    assert shop.sync(NOW).updated == 1
    assert shop.vendor.held()["bob@bakery.example"]["City"] == "Metz"
    assert shop.sync(NOW).state == "unchanged"


def test_people_known_by_an_address_of_that_model(bakery: Open) -> None:
    mapping = "mapping: {identifiers: {email: home.contact}, fields: {Spent: spent}}\n"
    shop = bakery(mapping + "guard: {max_removed_percent: 100}\n")
    homes = [{"number": 1, "contact": "one@bakery.example"}, {"number": 2, "contact": " Two@bakery.example"}]
    shop.insert(HOMES, *homes)
    more = [{"id": 3, "household": 1}, {"id": 4, "household": 9}]
    shop.insert(GUESTS, *({"email": None, "visits": 1, **each} for each in more))
    report = shop.sync(NOW)
    assert (report.added, report.counts.duplicates, report.counts.unidentified) == (2, 1, 1)
    assert set(shop.vendor.held()) == {"one@bakery.example", "two@bakery.example"}
    with shop.runtime.engine.begin() as connection:
        connection.execute(HOMES.update().where(HOMES.c.number == 2).values(contact="three@bakery.example"))
        connection.execute(GUESTS.delete().where(GUESTS.c.id == 2))
    changed = shop.sync(NOW)
    assert (changed.added, changed.removed, changed.counts.unidentified) == (1, 1, 1)
    assert set(shop.vendor.held()) == {"one@bakery.example", "three@bakery.example"}

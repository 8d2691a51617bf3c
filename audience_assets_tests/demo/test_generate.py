"""The generated shop: the same every time, with the dirt that real ones have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.demo.generate import generate_warehouse
from audience_assets.demo.tables import CONSENTS, CUSTOMERS, METADATA, ORDER_ITEMS, ORDERS
from audience_assets.destinations.identifiers import Refused, normal_email, normal_phone
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.demo.conftest import CUSTOMERS as SIZE
from audience_assets_tests.demo.conftest import NOW


def everything(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            table.name: list(connection.execute(sa.select(table).order_by(*table.primary_key)))
            for table in METADATA.sorted_tables
        }


def customers(engine: Engine) -> list[Any]:
    return everything(engine)[CUSTOMERS.name]


def test_the_same_seed_and_day_make_the_same_shop(shop: Engine, tmp_path: Path) -> None:
    again = open_warehouse(f"sqlite:///{tmp_path / 'again.sqlite'}")
    generate_warehouse(again, now=NOW, customers=SIZE)
    assert everything(again) == everything(shop)
    generate_warehouse(again, now=NOW, customers=SIZE, seed=1)
    assert everything(again) != everything(shop)
    again.dispose()


def test_it_is_a_shop_with_orders_items_and_consents(shop: Engine) -> None:
    tables = everything(shop)
    assert len(tables[CUSTOMERS.name]) == SIZE
    numbers = {row.customer_id for row in tables[CUSTOMERS.name]}
    orders = {row.order_id for row in tables[ORDERS.name]}
    assert {row.customer_id for row in tables[ORDERS.name]} <= numbers
    assert {row.order_id for row in tables[ORDER_ITEMS.name]} == orders
    assert {row.customer_id for row in tables[CONSENTS.name]} <= numbers


def test_addresses_are_dirty_in_every_way(shop: Engine) -> None:
    written = [row.email for row in customers(shop)]
    results = [normal_email(email) for email in written]
    reasons = Counter(result.reason for result in results if isinstance(result, Refused))
    assert reasons["no_email"] > SIZE * 0.02
    assert reasons["invalid_email"] > SIZE * 0.003
    usable = [result for result in results if isinstance(result, str)]
    shared = sum(number > 1 for number in Counter(usable).values())
    assert shared > SIZE * 0.005, "households share addresses"
    assert sum(email is not None and email != email.strip().lower() for email in written) > SIZE * 0.03


def test_phones_of_every_country_come_in_national_and_international_form(shop: Engine) -> None:
    rows = customers(shop)
    results = {row.customer_id: normal_phone(row.phone, row.country) for row in rows}
    reasons = Counter(result.reason for result in results.values() if isinstance(result, Refused))
    assert reasons["no_phone"] > SIZE * 0.2
    assert reasons["invalid_phone"] > SIZE * 0.01
    for country in ("FR", "DE", "GB", "US", "BE", "NO"):
        usable = [row.phone for row in rows if row.country == country and isinstance(results[row.customer_id], str)]
        assert any(phone.startswith(("+", "00")) for phone in usable), country
        assert any(not phone.startswith(("+", "00")) for phone in usable), country


def test_consent_times_are_missing_or_in_the_future_for_a_few(shop: Engine) -> None:
    tables = everything(shop)
    newest: dict[int, str] = {}
    for event in tables[CONSENTS.name]:
        if event.channel == "email":
            newest[event.customer_id] = event.status
    people = tables[CUSTOMERS.name]
    opted_in = [row for row in people if newest.get(row.customer_id) == "subscribed"]
    assert sum(row.email_consent_at is None for row in opted_in) > len(opted_in) * 0.02
    assert any(row.email_consent_at and row.email_consent_at > NOW for row in opted_in)
    assert any(event.consent_at is None for event in tables[CONSENTS.name])
    assert any(status == "unsubscribed" for status in newest.values())


def test_progress_ends_at_the_last_customer(tmp_path: Path) -> None:
    heard: list[int] = []
    engine = open_warehouse(f"sqlite:///{tmp_path / 'told.sqlite'}")
    generate_warehouse(engine, now=NOW, customers=700, progress=heard.append)
    engine.dispose()
    assert heard[-1] == 700

"""The day between two deliveries changes both the warehouse and the vendor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.demo.day import change_the_day
from audience_assets.demo.generate import generate_warehouse
from audience_assets.demo.tables import CONSENTS, CUSTOMERS, ORDERS
from audience_assets.demo.vendor import account_of, new_sandbox, seed_vendor, standing
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.demo.conftest import CUSTOMERS as SIZE
from audience_assets_tests.demo.conftest import NOW

LATER = NOW + timedelta(minutes=1)


def count(engine: Engine, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0


def test_most_customers_are_known_at_the_vendor_but_not_all(shop: Engine) -> None:
    with new_sandbox() as sandbox:
        known = seed_vendor(shop, account_of(sandbox), now=NOW, seed=1)
    assert SIZE * 0.8 < known < SIZE * 0.95


def test_some_have_opted_out_at_the_vendor(shop: Engine) -> None:
    with new_sandbox() as sandbox:
        account = account_of(sandbox)
        seed_vendor(shop, account, now=NOW, seed=1)
        statuses = [change.after for change in account.audit]
    assert "UNSUBSCRIBED" in statuses
    assert "SUBSCRIBED" in statuses


def test_a_day_moves_people_in_every_way(shop: Engine) -> None:
    opted_out = CONSENTS.c.status == "unsubscribed"
    before = {
        "orders": count(shop, ORDERS),
        "returned": count(shop, ORDERS, ORDERS.c.status == "returned"),
        "opted out": count(shop, CONSENTS, opted_out),
    }
    with new_sandbox() as sandbox:
        account = account_of(sandbox)
        seed_vendor(shop, account, now=NOW, seed=1)
        day = change_the_day(shop, account, now=LATER, seed=1)
        numbers = dict(day.events)
        assert all(number > 0 for number in numbers.values()), numbers
        assert count(shop, CUSTOMERS) == SIZE + numbers["signed up"]
        orders = numbers["ordered and may become VIPs"] + numbers["came back after months and ordered"]
        assert count(shop, ORDERS) == before["orders"] + orders
        assert count(shop, ORDERS, ORDERS.c.status == "returned") > before["returned"]
        assert count(shop, CONSENTS, opted_out) == before["opted out"] + numbers["opted out in the shop"]
        moved = CUSTOMERS.c.email.like("%@new.example.org")
        assert count(shop, CUSTOMERS, moved) == numbers["changed their address"]
        for example in day.examples:
            assert standing(account, example.address).known
        refusing = [each for each in day.examples if "opted out" in each.what]
        assert [standing(account, each.address).email for each in refusing] == ["unsubscribed"] * len(refusing)


def test_the_same_seed_makes_the_same_day(shop: Engine, tmp_path: Path) -> None:
    twin = open_warehouse(f"sqlite:///{tmp_path / 'twin.sqlite'}")
    generate_warehouse(twin, now=NOW, customers=SIZE)
    days = []
    for engine in (shop, twin):
        with new_sandbox() as sandbox:
            seed_vendor(engine, account_of(sandbox), now=NOW, seed=1)
            days.append(change_the_day(engine, account_of(sandbox), now=LATER, seed=5))
    twin.dispose()
    assert days[0] == days[1]


def test_a_stranger_is_unknown(shop: Engine) -> None:
    with new_sandbox() as sandbox:
        assert str(standing(account_of(sandbox), "nobody@example.com")) == "unknown to Klaviyo"

"""The day between two deliveries changes both the warehouse and the vendor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.demo.day import ShopDay, change_the_day
from audience_assets.demo.generate import generate_warehouse
from audience_assets.demo.run import live_the_day, seed_vendors
from audience_assets.demo.tables import CONSENTS, CUSTOMERS, ORDERS
from audience_assets.demo.vendors import Account, shop_accounts
from audience_assets.demo.vendors.klaviyo import KlaviyoShop
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.demo.conftest import CUSTOMERS as SIZE
from audience_assets_tests.demo.conftest import NOW

LATER = NOW + timedelta(minutes=1)


def count(engine: Engine, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0


def live(engine: Engine, accounts: list[Account]) -> ShopDay:
    """A first morning and the day after it, without deliveries."""
    seed_vendors(engine, accounts, now=NOW, seed=1)
    day = change_the_day(engine, now=LATER, seed=5)
    live_the_day(day, accounts, seed=5)
    return day


def test_most_customers_are_known_at_each_vendor_but_not_all(shop: Engine) -> None:
    accounts = shop_accounts()
    known = seed_vendors(shop, accounts, now=NOW, seed=1)
    assert len(known) == len(accounts) >= 4
    for account, number in zip(accounts, known, strict=True):
        assert SIZE * 0.4 < number < SIZE * 0.95, account.vendor.name


def test_some_have_opted_out_at_the_vendor(shop: Engine) -> None:
    klaviyo = KlaviyoShop()
    seed_vendors(shop, [klaviyo], now=NOW, seed=1)
    statuses = [change.after for change in klaviyo.account.audit]
    assert "UNSUBSCRIBED" in statuses
    assert "SUBSCRIBED" in statuses


def test_a_day_moves_people_in_every_way(shop: Engine) -> None:
    opted_out = CONSENTS.c.status == "unsubscribed"
    before = {
        "orders": count(shop, ORDERS),
        "returned": count(shop, ORDERS, ORDERS.c.status == "returned"),
        "opted out": count(shop, CONSENTS, opted_out),
    }
    klaviyo = KlaviyoShop()
    day = live(shop, [klaviyo])
    numbers = dict(day.events)
    assert all(number > 0 for number in numbers.values()), numbers
    assert count(shop, CUSTOMERS) == SIZE + numbers["signed up"]
    orders = numbers["ordered and may become VIPs"] + numbers["came back after months and ordered"]
    assert count(shop, ORDERS) == before["orders"] + orders
    assert count(shop, ORDERS, ORDERS.c.status == "returned") > before["returned"]
    assert count(shop, CONSENTS, opted_out) == before["opted out"] + numbers["opted out in the shop"]
    moved = CUSTOMERS.c.email.like("%@new.example.org")
    assert count(shop, CUSTOMERS, moved) == numbers["changed their address"]
    examples = list(klaviyo.examples(day))
    for example in examples:
        assert klaviyo.standing(example.address).known
    refusing = [each for each in examples if "opted out" in each.what]
    assert [klaviyo.standing(each.address).email for each in refusing] == ["unsubscribed"] * len(refusing)


def test_the_same_seed_makes_the_same_day(shop: Engine, tmp_path: Path) -> None:
    twin = open_warehouse(f"sqlite:///{tmp_path / 'twin.sqlite'}")
    generate_warehouse(twin, now=NOW, customers=SIZE)
    days = []
    for engine in (shop, twin):
        accounts = shop_accounts()
        day = live(engine, accounts)
        days.append((day, [example for account in accounts for example in account.examples(day)]))
    twin.dispose()
    assert days[0] == days[1]


def test_a_stranger_is_unknown(shop: Engine) -> None:
    assert str(KlaviyoShop().standing("nobody@example.com")) == "unknown"

"""Every contact list on the warehouses that its other tests leave out: entered, changed, left, reconciled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.runtime import Runtime
from audience_assets.sync import plan_sync, reconcile
from audience_assets_tests.vendors import shop
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.every import CONTACT_LISTS, served

ACTIVATION = "readers"
KNOWN = range(30)
FOREIGN = "somebody@x.com"


@pytest.fixture(params=CONTACT_LISTS)
def account(request: pytest.FixtureRequest) -> Iterator[tuple[VendorAccount, str]]:
    """An account that knows thirty people, and its twin's address."""
    with served(request.param, "portable") as (made, url):
        made.know([*map(shop.email, KNOWN), FOREIGN])
        made.adopt(shop.LIST_NAME, [FOREIGN])
        yield made, url


@pytest.fixture(params=["duckdb", "postgresql"])
def runtime(
    request: pytest.FixtureRequest,
    account: tuple[VendorAccount, str],
    make_warehouse: Callable[[str], sa.Engine],
    tmp_path: Path,
) -> Iterator[Runtime]:
    engine = make_warehouse(request.param)
    url = engine.url.render_as_string(hide_password=False)
    engine.dispose()  # DuckDB takes one opener at a time
    shop.write_project(tmp_path, {ACTIVATION: account})
    with shop.open_project(tmp_path, {ACTIVATION: account}, url) as opened:
        shop.GUESTS.create(opened.engine)
        yield opened


def test_a_list_follows_its_audience(runtime: Runtime, account: tuple[VendorAccount, str]) -> None:
    vendor, _ = account
    spec = vendor.kind().services[vendor.service]

    def readers(keys: range, city: str = "Oslo") -> None:
        shop.set_readers(runtime.engine, [shop.guest(key, shop.email(key), city) for key in keys])
        shop.refresh(runtime, runtime.now())

    readers(range(33))
    assert plan_sync(runtime, ACTIVATION, as_of=runtime.now()).counts.add == 33
    first = shop.sync(runtime, ACTIVATION)
    strangers = 0 if spec.creates_contacts else 3
    assert (first.added, first.absent, first.rejected, first.retry) == (33 - strangers, strangers, 0, 0)
    known = 33 - strangers
    assert sorted(vendor.listed(shop.LIST_NAME)) == sorted([*map(shop.email, range(known)), FOREIGN])

    readers(range(10, 30), city="Bergen")
    second = shop.sync(runtime, ACTIVATION)
    assert (second.removed, second.updated) == (known - 20, 20 if spec.carries_attributes else 0)
    assert sorted(vendor.listed(shop.LIST_NAME)) == sorted([*map(shop.email, range(10, 30)), FOREIGN])
    if spec.carries_attributes:
        assert {vendor.attributes(shop.email(key))["city"] for key in range(10, 30)} == {"Bergen"}
    assert shop.sync(runtime, ACTIVATION).state == "unchanged"

    vendor.take_off(shop.LIST_NAME, shop.email(10))
    found = reconcile(runtime, ACTIVATION, apply=True, settling=timedelta(0))
    assert (found.at_vendor, found.in_both, found.missing, found.not_ours) == (20, 19, 1, 1)

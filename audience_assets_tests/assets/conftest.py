"""The shop, ready to be materialized."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from audience_assets import build_definitions
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox, KlaviyoSwitches
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.assets.shop import CUSTOMERS, KEY, PEOPLE, Shop, address, write_project

AT_ONCE = dg.RetryPolicy(max_retries=1)


@pytest.fixture(autouse=True)
def quiet_runs() -> Iterator[None]:
    """Every step logs to the console of the process it runs in."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance whose storage is gone with the test."""
    with warnings.catch_warnings():
        # Dagster leaves its temporary folder to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        with dg.DagsterInstance.ephemeral() as made:
            yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shop's project, without its warehouse."""
    monkeypatch.setenv("SHOP_WAREHOUSE_URL", f"sqlite:///{tmp_path / 'warehouse.sqlite'}")
    monkeypatch.setenv("KLAVIYO_API_KEY", KEY)
    monkeypatch.setenv("KLAVIYO_BASE_URL", "http://127.0.0.1:9")
    return write_project(tmp_path / "project")


@pytest.fixture
def shop(folder: Path, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    engine = open_warehouse(f"sqlite:///{tmp_path / 'warehouse.sqlite'}")
    CUSTOMERS.metadata.create_all(engine)
    consented = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=90)
    rows = [
        {"id": number, "revision": 1, "email": address(number), "score": number, "consent_at": consented}
        for number in range(1, PEOPLE + 1)
    ]
    with engine.begin() as connection:
        connection.execute(CUSTOMERS.insert(), rows)
    klaviyo = KlaviyoSandbox(rate_limits=False, switches=KlaviyoSwitches(consent_delay=0.0))
    account = klaviyo.account("shop", key=KEY)
    account.add_profiles([{"email": row["email"]} for row in rows])
    with Sandbox([klaviyo]) as sandbox:
        monkeypatch.setenv("KLAVIYO_BASE_URL", sandbox.url)
        definitions = build_definitions(folder, retries=AT_ONCE)
        yield Shop(folder, engine, sandbox, account, definitions, instance)
    engine.dispose()

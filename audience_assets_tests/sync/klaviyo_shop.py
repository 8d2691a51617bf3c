"""Three people in one Klaviyo list, and somebody's hand at the vendor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox, KlaviyoSwitches
from audience_assets.sync import Reconciliation, SyncReport, reconcile, run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.conftest import unsafe_but_fast
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, CONSENTS, KEY, LIST_NAME, USERS, make_runtime

AT_ONCE = timedelta(0)
ANN, BOB, CID = "ann@shop-customers.com", "bob@shop-customers.com", "cid@shop-customers.com"
PHONES = {ANN: "+447400123451", BOB: "+447400123452", CID: "+447400123453"}
HAND = {
    "Authorization": f"Klaviyo-API-Key {KEY}",
    "revision": "2026-07-15",
    "Content-Type": "application/vnd.api+json",
}


@dataclass
class Shop:
    """The list's runtime and its account."""

    runtime: Runtime
    account: KlaviyoAccount
    sandbox: Sandbox

    def sync(self) -> SyncReport:
        report = run_sync(self.runtime, ACTIVATION, as_of=self.runtime.now())
        self.account.finish_jobs()
        return report

    def reconcile(self, *, apply: bool = True) -> Reconciliation:
        return reconcile(self.runtime, ACTIVATION, apply=apply, settling=AT_ONCE)

    @property
    def list_id(self) -> str:
        return self.account.list_named(LIST_NAME).id

    def members(self) -> set[str | None]:
        return {profile.email for profile in self.account.members(self.list_id)}

    def take_off(self, *emails: str) -> None:
        """Remove contacts from the list in Klaviyo's own way, which leaves their consent alone."""
        found = [profile.id for profile in self.account.members(self.list_id) if profile.email in emails]
        self._by_hand("DELETE", *found)

    def put_on(self, *profile_ids: str) -> None:
        """Add contacts to the list without a word about consent."""
        self._by_hand("POST", *profile_ids)

    def _by_hand(self, method: str, *profile_ids: str) -> None:
        rows = [{"type": "profile", "id": each} for each in profile_ids]
        url = f"{self.sandbox.url}/api/lists/{self.list_id}/relationships/profiles"
        requests.request(method, url, json={"data": rows}, headers=HAND, timeout=10).raise_for_status()

    def ledger(self) -> set[str]:
        """Identifiers that the ledger holds."""
        state = self.runtime.state
        table = sa.table(state.table_name(f"list_{ACTIVATION}"), sa.column("identifier"), schema=state.metadata.schema)
        with self.runtime.engine.begin() as connection:
            return set(connection.scalars(sa.select(table.c.identifier)))

    def leave(self, email: str) -> None:
        """Somebody leaves the segment."""
        segment = self.runtime.state.segment("vips", "integer")
        user = sa.select(USERS.c.id).where(USERS.c.email == email).scalar_subquery()
        with self.runtime.engine.begin() as connection:
            connection.execute(segment.delete().where(segment.c.user_key == user))

    def status(self, email: str) -> str:
        consent = self.account.consent(email)
        assert consent is not None
        return consent.status

    def consents(self, email: str, at: datetime) -> None:
        """The consent history gets an opt-in."""
        with self.runtime.engine.begin() as connection:
            user = connection.scalar(sa.select(USERS.c.id).where(USERS.c.email == email))
            row = {"id": 1, "user_id": user, "channel": "email", "status": "subscribed", "at": at}
            connection.execute(CONSENTS.insert().values(**row))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    vendor = KlaviyoSandbox(rate_limits=False, switches=KlaviyoSwitches(consent_delay=0.0))
    vendor.account("demo", key=KEY)
    with Sandbox([vendor]) as sandbox:
        yield sandbox


def open_shop(folder: Path, sandbox: Sandbox, channels: tuple[str, ...] = ("email",)) -> Shop:
    engine = open_warehouse(f"sqlite:///{folder / 'warehouse.db'}")
    unsafe_but_fast(engine)
    runtime = make_runtime(folder, engine, sandbox.url, channels=channels)
    shop = Shop(runtime, sandbox.klaviyo.account("demo", key=KEY), sandbox)
    shop.account.add_profiles([{"email": email, "phone_number": phone} for email, phone in PHONES.items()])
    with engine.begin() as connection:
        rows = [{"id": n, "email": e, "phone": p} for n, (e, p) in enumerate(PHONES.items(), start=1)]
        connection.execute(USERS.insert(), rows)
        members = runtime.state.segment("vips", "integer")
        connection.execute(members.insert(), [{"user_key": row["id"], "entered_at": datetime.now(UTC)} for row in rows])
    return shop

"""What a reconciliation does to people's consent at Klaviyo: nothing, and neither does the sync after it."""

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
from audience_assets.sync import Reconciliation, SyncReport, open_rejections, reconcile, run_sync
from audience_assets.warehouse.engine import open_warehouse
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
    """Three people in one list, and somebody's hand at Klaviyo."""

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
        found = [profile for profile in self.account.members(self.list_id) if profile.email in emails]
        rows = [{"type": "profile", "id": profile.id} for profile in found]
        url = f"{self.sandbox.url}/api/lists/{self.list_id}/relationships/profiles"
        requests.delete(url, json={"data": rows}, headers=HAND, timeout=10).raise_for_status()

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
    runtime = make_runtime(folder, engine, sandbox.url, channels=channels)
    shop = Shop(runtime, sandbox.klaviyo.account("demo", key=KEY), sandbox)
    shop.account.add_profiles([{"email": email, "phone_number": phone} for email, phone in PHONES.items()])
    with engine.begin() as connection:
        rows = [{"id": n, "email": e, "phone": p} for n, (e, p) in enumerate(PHONES.items(), start=1)]
        connection.execute(USERS.insert(), rows)
        members = runtime.state.segment("vips", "integer")
        connection.execute(members.insert(), [{"user_key": row["id"], "entered_at": datetime.now(UTC)} for row in rows])
    return shop


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Iterator[Shop]:
    made = open_shop(tmp_path, sandbox)
    made.sync()
    yield made
    made.runtime.close()


def test_who_was_taken_off_the_list_is_added_again(shop: Shop) -> None:
    shop.take_off(ANN)
    found = shop.reconcile()
    assert (found.at_vendor, found.in_both, found.missing, found.not_ours) == (2, 2, 1, 0)
    assert shop.sync().added == 1
    assert shop.members() == {ANN, BOB, CID}


def test_who_unsubscribed_stays_opted_out(shop: Shop) -> None:
    shop.account.opt_out(ANN)
    shop.take_off(ANN)
    before = len(shop.account.audit)
    assert shop.reconcile().missing == 1
    report = shop.sync()
    assert (report.added, report.rejected) == (0, 1)
    assert [row.reason for row in open_rejections(shop.runtime, ACTIVATION)] == ["vendor_opt_out"]
    assert (shop.status(ANN), shop.members()) == ("UNSUBSCRIBED", {BOB, CID})
    assert len(shop.account.audit) == before, "no consent was written"
    shop.reconcile()
    assert shop.sync().state == "unchanged", "nor is it tried again"


@pytest.mark.parametrize(("moved", "subscribed"), [(timedelta(seconds=-60), False), (timedelta(seconds=1), True)])
def test_only_a_newer_consent_outweighs_the_opt_out(shop: Shop, moved: timedelta, subscribed: bool) -> None:
    opted_out = datetime.now(UTC) - timedelta(minutes=1)
    shop.account.opt_out(ANN, at=opted_out)
    shop.take_off(ANN)
    shop.consents(ANN, opted_out + moved)
    shop.reconcile()
    shop.sync()
    assert (ANN in shop.members()) is subscribed
    assert shop.status(ANN) == ("SUBSCRIBED" if subscribed else "UNSUBSCRIBED")


def test_contacts_that_somebody_else_added_are_left_alone(shop: Shop) -> None:
    shop.account.add_profiles([{"email": "dee@shop-customers.com", "lists": [shop.list_id]}])
    assert (shop.reconcile().not_ours, shop.sync().state) == (1, "unchanged")
    assert "dee@shop-customers.com" in shop.members()


def test_a_contact_that_was_merged_is_known_by_its_address(shop: Shop) -> None:
    shop.account.add_profiles([{"external_id": "twin"}])
    shop.account.merge(ANN, "twin")
    found = shop.reconcile(apply=False)
    assert (found.in_both, found.missing, found.not_ours) == (3, 0, 0)


def test_numbers_are_matched_by_the_contact_they_belong_to(tmp_path: Path, sandbox: Sandbox) -> None:
    shop = open_shop(tmp_path, sandbox, channels=("sms",))
    with shop.runtime.engine.begin() as connection:
        connection.execute(USERS.update().where(USERS.c.email == ANN).values(phone="+44 7400-123-451"))
    shop.sync()
    shop.take_off(BOB)
    found = shop.reconcile(apply=False)
    assert (found.in_both, found.missing, found.not_ours) == (2, 1, 0)
    shop.runtime.close()


def test_who_never_confirmed_is_not_asked_again(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.klaviyo.account("demo", key=KEY).create_list(LIST_NAME, "double_opt_in")
    shop = open_shop(tmp_path, sandbox)
    shop.sync()
    shop.account.confirm(ANN)
    shop.account.confirm(BOB)
    first = shop.reconcile()
    assert (first.in_both, first.unconfirmed, first.missing) == (2, 1, 0)
    assert shop.sync().state == "unchanged"

    shop.take_off(ANN)
    second = shop.reconcile()
    assert (second.in_both, second.unconfirmed, second.missing) == (1, 1, 1)
    assert shop.sync().counts.add == 1
    again = shop.reconcile()
    assert (again.missing, shop.sync().state) == (0, "unchanged"), "one question is enough"
    shop.runtime.close()

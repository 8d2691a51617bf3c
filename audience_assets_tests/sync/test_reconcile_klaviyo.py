"""What a reconciliation does to people's consent at Klaviyo: nothing, and neither does the sync after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audience_assets.sandbox import Sandbox
from audience_assets.sync import open_rejections
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, KEY, LIST_NAME, USERS
from audience_assets_tests.sync.klaviyo_shop import ANN, BOB, CID, Shop, open_shop, sandbox

__all__ = ["sandbox"]


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


def test_who_confirms_after_leaving_the_segment_is_counted_as_asked_by_us(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.klaviyo.account("demo", key=KEY).create_list(LIST_NAME, "double_opt_in")
    shop = open_shop(tmp_path, sandbox)
    shop.sync()
    shop.account.confirm(BOB)
    shop.leave(ANN)
    shop.leave(BOB)
    # Once what we asked for can't be on its way to the list any more.
    shop.runtime.now = lambda: datetime.now(UTC) + timedelta(hours=2)
    assert shop.sync().state == "delivered"
    assert ANN not in shop.ledger(), "she is not in the list, and nothing was sent of her"
    shop.account.confirm(ANN)
    shop.account.add_profiles([{"email": "dee@shop-customers.com", "lists": [shop.list_id]}])
    found = shop.reconcile()
    assert shop.members() == {ANN, "dee@shop-customers.com"}
    assert (found.not_ours, found.asked_by_us) == (2, 1)
    assert shop.sync().state == "unchanged", "she chose to be there"
    shop.runtime.close()


def test_who_left_and_came_back_by_a_form_was_not_asked_by_us(shop: Shop) -> None:
    shop.leave(ANN)
    shop.runtime.now = lambda: datetime.now(UTC) + timedelta(hours=2)
    assert shop.sync().removed == 1
    profile = shop.account.find(ANN)
    assert profile is not None
    shop.put_on(profile.id)
    found = shop.reconcile()
    assert (found.not_ours, found.asked_by_us) == (1, 0)

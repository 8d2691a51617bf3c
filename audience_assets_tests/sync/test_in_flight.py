"""Consent jobs that take minutes, lost answers and contacts that several members share: what a list is in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets.sandbox import Action, Fault
from audience_assets_tests.sync.klaviyo_list import LIST_NAME
from audience_assets_tests.sync.live_list import MakeList, live_lists

PHONE = "+12025550101"
# Seconds that a consent job takes, and less and more than that.
DELAY, SOON, LATER = 120.0, 30, 600


@pytest.fixture
def make(tmp_path: Path, make_warehouse: Callable[[str], Engine]) -> Iterator[MakeList]:
    with live_lists(tmp_path, make_warehouse) as maker:
        yield maker


def test_who_leaves_before_the_opt_in_took_effect_leaves_for_good(make: MakeList) -> None:
    target = make(delay=DELAY)
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": "ann@x.com"}})
    target.sync()
    target.clock.advance(SOON)
    target.audience()
    assert target.sync().state == "partial"
    target.clock.advance(LATER)
    assert target.sync().removed == 1
    assert (target.listed(), target.status("ann@x.com"), target.ledger()) == (set(), "UNSUBSCRIBED", {})


def test_who_comes_back_before_the_opt_out_took_effect_is_in_the_list(make: MakeList) -> None:
    target = make(delay=DELAY)
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": "ann@x.com"}})
    target.settle()
    target.clock.advance(LATER)
    target.audience()
    target.sync()
    target.clock.advance(SOON)
    target.audience(1)
    assert target.sync().state == "partial"
    target.clock.advance(LATER)
    assert target.sync().added == 1
    assert (target.listed(), target.status("ann@x.com")) == ({"ann@x.com"}, "SUBSCRIBED")


def test_an_opt_out_that_may_be_at_work_is_not_sent_again(make: MakeList) -> None:
    """By the time it arrived they would be out of the list, and be unsubscribed from everything."""
    target = make(delay=DELAY)
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": "ann@x.com"}})
    target.settle()
    target.clock.advance(LATER)
    target.audience()
    target.sandbox.faults.add(Fault(Action.RESET_AFTER, "bulk_unsubscribe_profiles", calls=range(1, 2)))
    target.sandbox.faults.add(Fault(Action.ERROR_BEFORE, "get_profiles_for_list", calls=range(2, 9)))
    assert target.sync().state == "partial"
    target.sandbox.faults.clear()
    target.clock.advance(SOON)
    target.sync()
    target.clock.advance(LATER)
    target.settle()
    assert (target.listed(), target.ledger()) == (set(), {})
    assert not any(entry.escalated for entry in target.account.audit)


@pytest.mark.parametrize("delay", [0.0, DELAY])
def test_one_contact_under_two_identifiers_is_never_held_for_a_member_while_it_is_none(
    make: MakeList, delay: float
) -> None:
    """Its members leave and enter in one sync, side by side."""
    target = make("email", "sms", delay=delay)
    target.account.add_profiles([{"email": "ann@x.com", "phone_number": PHONE}])
    target.users({1: {"phone": PHONE}})
    target.settle()
    target.clock.advance(LATER)
    target.users({1: {"phone": PHONE, "email": "ann@x.com"}})
    for _ in range(3):
        target.settle()
    listed = target.listed()
    assert ("ann@x.com" in listed) == (target.ledger() == {"ann@x.com": "member"})
    assert target.sync().state == "unchanged"


def test_who_opts_out_between_a_lost_answer_and_its_repeat_stays_out(make: MakeList) -> None:
    target = make()
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": "ann@x.com"}})

    def unsubscribe(_request: object) -> None:
        target.clock.advance(5)
        target.account.opt_out("ann@x.com")

    target.sandbox.faults.add(Fault(Action.RESET_AFTER, "bulk_subscribe_profiles", calls=range(1, 2)))
    target.sandbox.faults.add(Fault(Action.HOOK_BEFORE, "get_profiles", calls=range(2, 3), hook=unsubscribe))
    target.sync()
    assert (target.status("ann@x.com"), target.reasons()) == ("UNSUBSCRIBED", {("vendor_opt_out", "email")})


def test_a_lost_answer_is_mended_within_the_sync(make: MakeList) -> None:
    target = make()
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": "ann@x.com"}})
    target.sandbox.faults.add(Fault(Action.RESET_BEFORE, "bulk_subscribe_profiles", calls=range(1, 2)))
    assert (target.sync().added, target.listed()) == (1, {"ann@x.com"})


def test_a_number_of_somebody_else_in_the_list_stays_when_its_other_owner_leaves(make: MakeList) -> None:
    target = make("email", "sms")
    held = target.account.create_list(LIST_NAME)
    consents = {"email": "SUBSCRIBED", "sms": "SUBSCRIBED"}
    target.account.add_profiles(
        [
            {"email": "ann@x.com"},
            {"email": "foreign@x.com", "phone_number": PHONE, "lists": [held.id], "consents": consents},
        ]
    )
    target.users({1: {"email": "ann@x.com", "phone": PHONE}})
    target.settle()
    assert target.reasons() == {("phone_on_other_profile", "sms")}
    target.audience()
    target.settle()
    assert target.listed() == {"foreign@x.com"}
    assert target.status("foreign@x.com", "sms") == "SUBSCRIBED"


def test_a_contact_known_by_number_alone_leaves_although_its_address_is_another(make: MakeList) -> None:
    target = make("email", "sms")
    target.account.add_profiles([{"email": "old@x.com", "phone_number": PHONE}])
    target.users({1: {"email": "ann@x.com", "phone": PHONE}})
    target.settle()
    assert target.listed() == {"old@x.com"}
    target.audience()
    target.settle()
    assert (target.listed(), target.status(PHONE, "sms")) == (set(), "UNSUBSCRIBED")


def test_members_of_a_channel_given_up_leave_by_it(make: MakeList) -> None:
    """Texts instead of e-mail: who was added by address has no number, and must not stay behind."""
    target = make("email")
    target.account.add_profiles([{"email": "ann@x.com"}, {"phone_number": PHONE}])
    target.users({1: {"email": "ann@x.com"}, 2: {"phone": PHONE}})
    target.settle()
    target.choose("sms", identifiers={"phone": "phone"})
    target.audience(2)
    target.settle()
    assert target.listed() == {PHONE}
    assert (target.status("ann@x.com"), target.ledger()) == ("UNSUBSCRIBED", {PHONE: "member"})

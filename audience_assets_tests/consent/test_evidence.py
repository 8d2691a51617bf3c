"""Nobody is opted in against an opt-out that our own history holds, however it is written there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.live_list import LiveList, MakeList, live_lists

PHONE, OTHER_PHONE = "+12025550101", "+12025550102"
BLANK, T, ZONED = "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00"


@pytest.fixture
def make(tmp_path: Path, make_warehouse: Callable[[str], Engine]) -> Iterator[MakeList]:
    with live_lists(tmp_path, make_warehouse) as maker:
        yield maker


def ann(target: LiveList) -> LiveList:
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": "ann@x.com"}})
    return target


def morning(target: LiveList) -> datetime:
    return (target.now - timedelta(days=1)).replace(hour=8, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_an_opt_out_without_a_time_stands(make: MakeList, warehouse: str) -> None:
    target = ann(make(warehouse=warehouse))
    target.event(1, "subscribed", morning(target).replace(tzinfo=None))
    target.event(1, "unsubscribed", None)
    target.sync()
    assert (target.status("ann@x.com"), target.reasons()) == ("NEVER_SUBSCRIBED", {("history_opt_out", "email")})
    assert target.sync().state == "unchanged"


@pytest.mark.parametrize("unreadable", ["", "n/a", "2026-13-01", "12"])
def test_an_unreadable_time_opts_nobody_in_and_stops_nothing(make: MakeList, unreadable: str) -> None:
    target = ann(make())
    target.event(1, "unsubscribed", f"{morning(target):{BLANK}}")
    target.event(1, "subscribed", unreadable)
    target.account.add_profiles([{"email": "bob@x.com"}])
    target.users({1: {"email": "ann@x.com"}, 2: {"email": "bob@x.com"}})
    target.sync()
    assert target.listed() == {"bob@x.com"}


@pytest.mark.parametrize(
    ("opted_in", "opted_out"), [(T, BLANK), ("%Y-%m-%dT13:%M:%S+05:00", ZONED), (BLANK, T), ("%Y-%m-%dT%H:%M", BLANK)]
)
def test_times_are_compared_whatever_their_spelling(make: MakeList, opted_in: str, opted_out: str) -> None:
    target = ann(make())
    early = morning(target)
    target.event(1, "subscribed", early.strftime(opted_in))
    target.event(1, "unsubscribed", (early + timedelta(hours=1)).strftime(opted_out))
    target.sync()
    assert target.status("ann@x.com") == "NEVER_SUBSCRIBED"
    target.event(1, "subscribed", (early + timedelta(hours=2)).strftime(opted_in))
    target.sync()
    # 13 o'clock in the spelling that fixes the hour stays before the opt-out.
    assert target.status("ann@x.com") == ("NEVER_SUBSCRIBED" if "13" in opted_in else "SUBSCRIBED")


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_an_opt_in_to_come_outweighs_nothing_until_then(make: MakeList, warehouse: str) -> None:
    target = ann(make(warehouse=warehouse))
    now = target.now.replace(tzinfo=None)
    target.event(1, "unsubscribed", now - timedelta(hours=1))
    target.event(1, "subscribed", now + timedelta(hours=3))
    target.sync()
    assert target.status("ann@x.com") == "NEVER_SUBSCRIBED"
    target.clock.advance(4 * 3600)
    target.sync()
    assert target.status("ann@x.com") == "SUBSCRIBED"


def test_a_vendors_opt_out_gives_way_once_a_newer_opt_in_has_come(make: MakeList) -> None:
    target = ann(make())
    target.account.opt_out("ann@x.com")
    target.event(1, "subscribed", (target.now + timedelta(hours=3)).replace(tzinfo=None))
    target.sync()
    assert target.status("ann@x.com") == "UNSUBSCRIBED"
    target.clock.advance(4 * 3600)
    target.sync()
    assert target.status("ann@x.com") == "SUBSCRIBED"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize(
    ("status", "channel"), [("Unsubscribed", "email"), (" UNSUBSCRIBED ", "email"), ("unsubscribed", "Email ")]
)
def test_words_are_known_whatever_their_capitals(make: MakeList, warehouse: str, status: str, channel: str) -> None:
    target = ann(make(warehouse=warehouse))
    early = morning(target).replace(tzinfo=None)
    target.event(1, "subscribed", early)
    target.event(1, status, early + timedelta(hours=1), channel)
    target.sync()
    assert target.status("ann@x.com") == "NEVER_SUBSCRIBED"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_a_newer_status_without_a_meaning_takes_the_opt_in_back(make: MakeList, warehouse: str) -> None:
    target = ann(make(warehouse=warehouse))
    target.account.opt_out("ann@x.com", at=target.now - timedelta(days=9))
    early = morning(target).replace(tzinfo=None)
    target.event(1, "subscribed", early)
    target.event(1, "cleaned", early + timedelta(hours=1))
    target.sync()
    assert (target.status("ann@x.com"), target.reasons()) == ("UNSUBSCRIBED", {("vendor_opt_out", "email")})


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_a_newer_status_without_a_meaning_leaves_an_opt_out(make: MakeList, warehouse: str) -> None:
    target = ann(make(warehouse=warehouse))
    early = morning(target).replace(tzinfo=None)
    target.event(1, "subscribed", early - timedelta(hours=1))
    target.event(1, "unsubscribed", early)
    target.event(1, "cleaned", early + timedelta(hours=1))
    target.sync()
    assert (target.status("ann@x.com"), target.reasons()) == ("NEVER_SUBSCRIBED", {("history_opt_out", "email")})
    target.event(1, "subscribed", early + timedelta(hours=2))
    target.sync()
    assert target.status("ann@x.com") == "SUBSCRIBED"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("filtered", ["consents", "users"])
def test_an_opt_in_that_a_base_filter_leaves_out_outweighs_nothing(
    make: MakeList, warehouse: str, filtered: str
) -> None:
    target = make(warehouse=warehouse)
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": "ann@x.com"}, 2: {"email": "Ann@x.com"}}, audience=(1,))
    # The second row of hers is a deleted account, or what it says a record that was struck out.
    target.only_rows(filtered, {"field": "id", "op": "is_not", "value": 2})
    early = morning(target).replace(tzinfo=None)
    target.event(1, "unsubscribed", early)
    target.event(2, "subscribed", early + timedelta(hours=1))
    target.sync()
    assert (target.status("ann@x.com"), target.reasons()) == ("NEVER_SUBSCRIBED", {("history_opt_out", "email")})
    target.event(1, "subscribed", early + timedelta(hours=2))
    target.sync()
    assert target.status("ann@x.com") == "SUBSCRIBED"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("spelling", ["+1 202 555 0101", PHONE, "(202) 555-0101", "1-202-555-0101"])
def test_an_opt_out_of_a_number_counts_for_everybody_who_has_it(make: MakeList, warehouse: str, spelling: str) -> None:
    target = make("email", "sms", warehouse=warehouse)
    target.choose("email", "sms", default_region="US")
    target.account.add_profiles([{"email": "ann@x.com", "phone_number": PHONE}])
    people = {1: {"email": "ann@x.com", "phone": PHONE}, 2: {"email": "bob@x.com", "phone": spelling}}
    target.users(people, audience=(1,))
    early = morning(target).replace(tzinfo=None)
    target.event(1, "subscribed", early, "sms")
    target.event(2, "unsubscribed", early + timedelta(hours=1), "sms")
    target.sync()
    assert (target.status("ann@x.com"), target.status("ann@x.com", "sms")) == ("SUBSCRIBED", "NEVER_SUBSCRIBED")
    target.event(1, "subscribed", early + timedelta(hours=2), "sms")
    target.sync()
    assert target.status("ann@x.com", "sms") == "SUBSCRIBED"


@pytest.mark.parametrize("said", ["never", "earlier", "yes since", "yes tomorrow"])
def test_a_number_that_said_no_in_another_spelling_stays_out(make: MakeList, said: str) -> None:
    target = make("sms")
    target.choose("sms", default_region="US")
    target.account.add_profiles([{"phone_number": PHONE}, {"phone_number": OTHER_PHONE}])
    target.users({1: {"phone": PHONE}, 2: {"phone": "(202) 555-0101"}, 3: {"phone": OTHER_PHONE}}, audience=(1, 3))
    noon = morning(target).replace(tzinfo=None)
    if said == "earlier":
        target.event(1, "unsubscribed", noon - timedelta(hours=1), "sms")
    target.event(2, "unsubscribed", noon, "sms")
    if said == "yes since":
        target.event(2, "subscribed", noon + timedelta(hours=1), "sms")
    if said == "yes tomorrow":
        target.event(1, "subscribed", noon + timedelta(days=3), "sms")
    target.sync()
    assert target.listed() == ({PHONE, OTHER_PHONE} if said == "yes since" else {OTHER_PHONE})
    assert target.sync().state == "unchanged"


def test_an_undated_no_in_another_spelling_stands(make: MakeList) -> None:
    target = make("sms")
    target.choose("sms", default_region="US")
    target.account.add_profiles([{"phone_number": PHONE}])
    target.users({1: {"phone": PHONE}, 2: {"phone": "202 555 0101"}}, audience=(1,))
    target.event(1, "subscribed", morning(target).replace(tzinfo=None), "sms")
    target.event(2, "unsubscribed", None, "sms")
    target.sync()
    assert target.listed() == set()


def test_numbers_of_two_countries_that_end_alike_are_two(make: MakeList) -> None:
    target = make("sms")
    target.choose("sms", default_region="US")
    target.account.add_profiles([{"phone_number": PHONE}])
    target.users({1: {"phone": PHONE}, 2: {"phone": "+44 20 2555 0101"}}, audience=(1,))
    target.event(2, "unsubscribed", morning(target).replace(tzinfo=None), "sms")
    target.sync()
    assert target.listed() == {PHONE}


def test_a_refusal_is_not_opened_again_by_the_consent_it_was_decided_with(make: MakeList) -> None:
    target = ann(make())
    target.account.opt_out("ann@x.com")
    target.event(1, "subscribed", f"{morning(target):{T}}")
    target.sync()
    assert target.sync().state == "unchanged"


def test_our_opt_out_of_one_number_is_not_the_opt_out_of_the_next(make: MakeList) -> None:
    target = make("email", "sms")
    target.account.add_profiles([{"phone_number": PHONE}, {"phone_number": OTHER_PHONE}])
    target.account.opt_in(OTHER_PHONE, "sms")
    target.account.opt_out(OTHER_PHONE, "sms")
    target.users({1: {"email": "ann@x.com", "phone": PHONE}})
    target.settle()
    target.audience()
    target.settle()
    assert target.status(PHONE, "sms") == "UNSUBSCRIBED"
    target.users({1: {"email": "ann@x.com", "phone": OTHER_PHONE}})
    target.settle()
    assert target.status(OTHER_PHONE, "sms") == "UNSUBSCRIBED"
    target.users({1: {"email": "ann@x.com", "phone": PHONE}})
    target.settle()
    assert target.status(PHONE, "sms") == "SUBSCRIBED"

"""Bulk unsubscribe, whose reach depends on who is in the named list."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets.sandbox.klaviyo import AccountSettings, KlaviyoSandbox
from audience_assets_tests.sandbox.caller import (
    SUBSCRIBE,
    UNSUBSCRIBE,
    Caller,
    errors,
    pointers,
    subscriber,
    unsubscriber,
)

ROWS = "/data/attributes/profiles/data"
PHONE = "+12025550101"


def unsubscribe(klaviyo: Caller, *rows: Any, list_id: str | None = None) -> None:
    answer = klaviyo.post_job(UNSUBSCRIBE, rows, list_id)
    assert answer.status_code == 202, answer.text
    assert answer.content == b""
    klaviyo.wait()


def subscribed(klaviyo: Caller, email: str, *lists: str, **identifiers: str) -> None:
    channels = {"email": "SUBSCRIBED"} | ({"sms": "SUBSCRIBED"} if identifiers else {})
    klaviyo.account.add_profiles([{"email": email, "consents": channels, "lists": lists, **identifiers}])


def local_lists(klaviyo: Caller) -> None:
    """The account's feature "global unsubscribe" is off."""
    vendor: KlaviyoSandbox = klaviyo.sandbox.klaviyo
    vendor.account("demo", settings=AccountSettings(global_unsubscribe=False))


def test_members_leave_and_are_opted_out(klaviyo: Caller) -> None:
    target, other = klaviyo.account.create_list("VIP"), klaviyo.account.create_list("Others")
    subscribed(klaviyo, "ann@example.com", target.id, other.id)
    unsubscribe(klaviyo, unsubscriber("ann@example.com"), list_id=target.id)
    assert klaviyo.emails(target.id) == set()
    assert klaviyo.emails(other.id) == {"ann@example.com"}
    state = klaviyo.consent("ann@example.com")
    assert (state.status, state.suppressions) == ("UNSUBSCRIBED", ("UNSUBSCRIBE",))
    assert not klaviyo.account.audit[-1].escalated


def test_where_lists_are_left_one_by_one_consent_stays(klaviyo: Caller) -> None:
    local_lists(klaviyo)
    target = klaviyo.account.create_list("VIP")
    subscribed(klaviyo, "ann@example.com", target.id, phone_number=PHONE)
    unsubscribe(klaviyo, unsubscriber("ann@example.com", PHONE), list_id=target.id)
    state = klaviyo.consent("ann@example.com")
    assert (state.status, state.suppressions) == ("SUBSCRIBED", ())
    assert state.list_suppressions == ((target.id, "UNSUBSCRIBE"),)
    # There is no opt-out from one list by text.
    assert klaviyo.consent("ann@example.com", "sms").status == "UNSUBSCRIBED"


@pytest.mark.parametrize("global_unsubscribe", [True, False])
def test_who_is_not_in_the_list_is_unsubscribed_from_everything(klaviyo: Caller, global_unsubscribe: bool) -> None:
    if not global_unsubscribe:
        local_lists(klaviyo)
    target, other = klaviyo.account.create_list("VIP"), klaviyo.account.create_list("Others")
    subscribed(klaviyo, "ann@example.com", other.id)
    unsubscribe(klaviyo, unsubscriber("ann@example.com"), list_id=target.id)
    state = klaviyo.consent("ann@example.com")
    assert (state.status, state.suppressions) == ("UNSUBSCRIBED", ("UNSUBSCRIBE",))
    assert klaviyo.account.audit[-1].escalated


def test_a_repeat_escalates_once_the_person_has_left(klaviyo: Caller) -> None:
    local_lists(klaviyo)
    target = klaviyo.account.create_list("VIP")
    subscribed(klaviyo, "ann@example.com", target.id)
    for status in ("SUBSCRIBED", "UNSUBSCRIBED"):
        unsubscribe(klaviyo, unsubscriber("ann@example.com"), list_id=target.id)
        assert klaviyo.consent("ann@example.com").status == status


def test_without_a_list_it_is_global_and_members_stay(klaviyo: Caller) -> None:
    local_lists(klaviyo)
    target = klaviyo.account.create_list("VIP")
    subscribed(klaviyo, "ann@example.com", target.id)
    unsubscribe(klaviyo, unsubscriber("ann@example.com"))
    assert klaviyo.consent("ann@example.com").status == "UNSUBSCRIBED"
    assert klaviyo.emails(target.id) == {"ann@example.com"}
    assert not klaviyo.account.audit[-1].escalated


def test_unknown_people_are_created_and_unsubscribed(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    unsubscribe(klaviyo, unsubscriber("new@example.com"), list_id=target.id)
    assert klaviyo.consent("new@example.com").status == "UNSUBSCRIBED"


def test_only_the_named_channels_are_opted_out(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    subscribed(klaviyo, "ann@example.com", target.id, phone_number=PHONE)
    unsubscribe(klaviyo, unsubscriber(phone=PHONE), list_id=target.id)
    assert klaviyo.consent("ann@example.com", "sms").status == "UNSUBSCRIBED"
    assert klaviyo.consent("ann@example.com", "email").status == "SUBSCRIBED"
    assert klaviyo.emails(target.id) == set()


def test_a_call_takes_a_hundred_people(klaviyo: Caller) -> None:
    rows = [unsubscriber(f"user{number}@example.com") for number in range(101)]
    assert pointers(klaviyo.post_job(UNSUBSCRIBE, rows)) == [ROWS]
    unsubscribe(klaviyo, *rows[:100])
    assert klaviyo.account.contacts == 100


def test_bad_rows_refuse_the_call(klaviyo: Caller) -> None:
    push = {"push": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    rows = [
        unsubscriber("good@example.com"),
        unsubscriber("bad@"),
        unsubscriber(phone="0612345678"),
        unsubscriber("a@example.com", subscriptions={"email": {"marketing": {"consent": "SUBSCRIBED"}}}),
        {"type": "profile", "attributes": {"email": "b@example.com"}},
        unsubscriber("c@example.com", subscriptions=push),
        {**unsubscriber("d@example.com"), "attributes": {**unsubscriber("d@example.com")["attributes"], "id": "1"}},
    ]
    assert pointers(klaviyo.post_job(UNSUBSCRIBE, rows)) == [
        f"{ROWS}/1/attributes/email",
        f"{ROWS}/2/attributes/phone_number",
        f"{ROWS}/3/attributes/subscriptions/email/marketing/consent",
        f"{ROWS}/4/attributes/subscriptions",
        f"{ROWS}/5/attributes/subscriptions/push/tokens",
        f"{ROWS}/6/attributes/id",
    ]
    klaviyo.wait()
    assert klaviyo.account.contacts == 0


@pytest.mark.parametrize("name", ["custom_source", "historical_import"])
def test_what_subscribing_takes_unsubscribing_does_not(klaviyo: Caller, name: str) -> None:
    extra: dict[str, Any] = {name: True}
    answer = klaviyo.post_job(UNSUBSCRIBE, [unsubscriber("ann@example.com")], **extra)
    assert errors(answer)[0]["source"]["pointer"] == f"/data/attributes/{name}"


def test_subscribing_to_a_list_lifts_that_lists_suppression_only(klaviyo: Caller) -> None:
    local_lists(klaviyo)
    first, second = (klaviyo.account.create_list(name, "single_opt_in") for name in ("First", "Second"))
    subscribed(klaviyo, "ann@example.com", first.id, second.id)
    for target in (first, second):
        unsubscribe(klaviyo, unsubscriber("ann@example.com"), list_id=target.id)
    klaviyo.account.opt_out("ann@example.com")
    assert klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com")], first.id).status_code == 202
    klaviyo.wait()
    state = klaviyo.consent("ann@example.com")
    assert state.suppressions == ()
    assert state.list_suppressions == ((second.id, "UNSUBSCRIBE"),)

"""Bulk subscribe: what is refused at once, and what the accepted call does later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from audience_assets.sandbox.klaviyo import AccountSettings, KlaviyoSandbox
from audience_assets_tests.sandbox.caller import SUBSCRIBE, Caller, errors, pointers, subscriber

ROWS = "/data/attributes/profiles/data"
AT = "2025-11-03T09:15:00Z"
US, CANADA, FRANCE, CHINA = "+12025550101", "+14165550101", "+33612345678", "+8613812345678"


def subscribe(klaviyo: Caller, *rows: Any, list_id: str | None = None, **attributes: Any) -> None:
    answer = klaviyo.post_job(SUBSCRIBE, rows, list_id, **attributes)
    assert answer.status_code == 202, answer.text
    assert answer.content == b""
    klaviyo.wait()


def settings(klaviyo: Caller, **changed: Any) -> None:
    vendor: KlaviyoSandbox = klaviyo.sandbox.klaviyo
    vendor.account("demo", settings=AccountSettings(**changed))


# Single opt-in.


def test_accepted_is_not_yet_done(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    assert klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com")], target.id).status_code == 202
    assert klaviyo.account.find("ann@example.com") is None
    klaviyo.wait()
    assert klaviyo.consent("ann@example.com").status == "SUBSCRIBED"
    assert klaviyo.emails(target.id) == {"ann@example.com"}


def test_what_the_consent_tells_when_read(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com"}])
    settings(klaviyo, default_opt_in="single_opt_in")
    subscribe(klaviyo, subscriber("ann@example.com", US), custom_source="Warehouse segment VIP")
    read = klaviyo.get("/api/profiles", additional_fields_profile="subscriptions")["data"][0]["attributes"]
    assert read["phone_number"] == US
    email, sms = read["subscriptions"]["email"]["marketing"], read["subscriptions"]["sms"]
    assert email["consent"] == sms["marketing"]["consent"] == "SUBSCRIBED"
    assert email["consent_timestamp"] == email["last_updated"] == "2026-07-15T09:00:00+00:00"
    assert email["method"] == "API"
    assert email["custom_method_detail"] == "Warehouse segment VIP"
    assert email["double_optin"] is False
    assert sms["marketing"]["can_receive_sms_marketing"] is True
    assert sms["transactional"]["consent"] == "NEVER_SUBSCRIBED"


def test_without_a_list_nobody_becomes_a_member(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    settings(klaviyo, default_opt_in="single_opt_in")
    subscribe(klaviyo, subscriber("ann@example.com"))
    assert klaviyo.consent("ann@example.com").status == "SUBSCRIBED"
    assert klaviyo.emails(target.id) == set()


def test_suppressions_are_lifted_but_bounces_stay(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    klaviyo.account.add_profiles([{"email": "ann@example.com"}])
    klaviyo.account.opt_out("ann@example.com")
    for reason in ("SPAM_COMPLAINT", "USER_SUPPRESSED", "HARD_BOUNCE", "INVALID_EMAIL"):
        klaviyo.account.suppress("ann@example.com", reason)
    assert len(klaviyo.consent("ann@example.com").suppressions) == 5
    subscribe(klaviyo, subscriber("ann@example.com"), list_id=target.id)
    assert klaviyo.consent("ann@example.com").suppressions == ("HARD_BOUNCE", "INVALID_EMAIL")


def test_a_repeat_subscribes_somebody_who_opted_out_in_between(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    subscribe(klaviyo, subscriber("ann@example.com"), list_id=target.id)
    klaviyo.account.opt_out("ann@example.com")
    subscribe(klaviyo, subscriber("ann@example.com"), list_id=target.id)
    assert klaviyo.consent("ann@example.com").status == "SUBSCRIBED"
    assert [(c.origin, c.before, c.after) for c in klaviyo.account.audit] == [
        ("subscribe", "NEVER_SUBSCRIBED", "SUBSCRIBED"),
        ("person", "SUBSCRIBED", "UNSUBSCRIBED"),
        ("subscribe", "UNSUBSCRIBED", "SUBSCRIBED"),
    ]


def test_the_id_decides_who_is_meant(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    klaviyo.account.add_profiles([{"email": "ann@example.com"}, {"email": "bob@example.com"}])
    ann = klaviyo.account.find("ann@example.com")
    assert ann is not None
    subscribe(klaviyo, subscriber("bob@example.com", profile_id=ann.id), list_id=target.id)
    assert klaviyo.emails(target.id) == {"ann@example.com"}
    unknown = subscriber("ann@example.com", profile_id="01KWFX4MZPQDSD3YG79C83CBDV")
    assert pointers(klaviyo.post_job(SUBSCRIBE, [unknown])) == [f"{ROWS}/0/id"]


def test_an_identifier_of_an_unwanted_channel_is_only_stored(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    subscribe(klaviyo, subscriber("ann@example.com"), list_id=target.id)
    row = subscriber("bob@example.com", phone_number=US)
    subscribe(klaviyo, row, list_id=target.id)
    assert klaviyo.consent(US, "email").status == "SUBSCRIBED"
    assert klaviyo.consent(US, "sms").status == "NEVER_SUBSCRIBED"


def test_push_and_whatsapp(klaviyo: Caller) -> None:
    token = {"token": "t-1", "platform": "ios", "vendor": "apns"}
    consent = {"consent": "SUBSCRIBED"}
    channels = {"push": {"marketing": consent, "tokens": [token]}, "whatsapp": {"marketing": consent}}
    settings(klaviyo, default_opt_in="single_opt_in")
    subscribe(klaviyo, subscriber(email=None, phone_number=US, subscriptions=channels))
    read = klaviyo.get("/api/profiles", additional_fields_profile="subscriptions")["data"][0]["attributes"]
    assert read["subscriptions"]["mobile_push"]["marketing"]["can_receive_push_marketing"] is True
    assert read["subscriptions"]["whatsapp"]["marketing"]["consent"] == "SUBSCRIBED"


# Double opt-in.


def test_double_opt_in_waits_for_the_person(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "double_opt_in")
    klaviyo.account.add_profiles([{"email": "known@example.com"}])
    subscribe(klaviyo, subscriber("known@example.com"), subscriber("new@example.com"), list_id=target.id)
    assert klaviyo.emails(target.id) == set()
    assert klaviyo.consent("known@example.com").status == "NEVER_SUBSCRIBED"
    assert klaviyo.account.find("new@example.com") is None
    klaviyo.wait(3600)
    assert klaviyo.account.confirm("new@example.com") == 1
    assert klaviyo.account.confirm("new@example.com") == 0
    assert klaviyo.emails(target.id) == {"new@example.com"}
    state = klaviyo.consent("new@example.com")
    assert (state.status, state.double_optin) == ("SUBSCRIBED", True)


def test_whether_the_pending_have_a_profile_is_a_switch(klaviyo: Caller) -> None:
    klaviyo.switches.pending_creates_profile = True
    target = klaviyo.account.create_list("VIP", "double_opt_in")
    subscribe(klaviyo, subscriber("new@example.com"), list_id=target.id)
    assert klaviyo.consent("new@example.com").status == "NEVER_SUBSCRIBED"
    assert klaviyo.emails(target.id) == set()


@pytest.mark.parametrize("default", ["single_opt_in", "double_opt_in"])
@pytest.mark.parametrize("process", ["single_opt_in", "double_opt_in"])
def test_the_list_decides_not_the_account(klaviyo: Caller, default: str, process: str) -> None:
    settings(klaviyo, default_opt_in=default)
    target = klaviyo.account.create_list("VIP", process)
    subscribe(klaviyo, subscriber("listed@example.com"), list_id=target.id)
    subscribe(klaviyo, subscriber("unlisted@example.com"))
    assert (klaviyo.account.find("listed@example.com") is not None) == (process == "single_opt_in")
    assert (klaviyo.account.find("unlisted@example.com") is not None) == (default == "single_opt_in")


def test_a_text_confirms_mail_too_but_not_the_other_way_round(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "double_opt_in")
    subscribe(klaviyo, subscriber("a@example.com", US), subscriber("b@example.com", CANADA), list_id=target.id)
    klaviyo.account.confirm("a@example.com")
    assert [klaviyo.consent("a@example.com", c).status for c in ("email", "sms")] == ["SUBSCRIBED", "NEVER_SUBSCRIBED"]
    klaviyo.account.confirm(CANADA)
    assert [klaviyo.consent("b@example.com", c).status for c in ("email", "sms")] == ["SUBSCRIBED", "SUBSCRIBED"]
    assert klaviyo.emails(target.id) == {"a@example.com", "b@example.com"}


def test_branded_senders_can_not_ask(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "double_opt_in")
    subscribe(klaviyo, subscriber("ann@example.com", "+447400123456"), list_id=target.id)
    assert klaviyo.consent("ann@example.com", "sms").status == "SUBSCRIBED"
    assert klaviyo.consent("ann@example.com", "email").status == "NEVER_SUBSCRIBED"


def test_a_subscribed_person_confirms_for_a_new_list_unless_switched(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "double_opt_in")
    klaviyo.account.add_profiles([{"email": "ann@example.com", "consents": {"email": "SUBSCRIBED"}}])
    subscribe(klaviyo, subscriber("ann@example.com"), list_id=target.id)
    assert klaviyo.emails(target.id) == set()
    klaviyo.switches.subscribed_must_confirm = False
    subscribe(klaviyo, subscriber("ann@example.com"), list_id=target.id)
    assert klaviyo.emails(target.id) == {"ann@example.com"}


# Historical import.


@pytest.mark.parametrize("process", ["single_opt_in", "double_opt_in"])
def test_history_skips_the_confirmation_and_keeps_its_date(klaviyo: Caller, process: str) -> None:
    target = klaviyo.account.create_list("VIP", process)
    subscribe(klaviyo, subscriber("ann@example.com", US, at=AT), list_id=target.id, historical_import=True)
    for channel in ("email", "sms"):
        state = klaviyo.consent("ann@example.com", channel)
        assert state.status == "SUBSCRIBED"
        assert state.consented_at == datetime(2025, 11, 3, 9, 15, tzinfo=UTC).timestamp()
        assert state.updated_at == pytest.approx(klaviyo.clock.now(), abs=1)
    assert klaviyo.emails(target.id) == {"ann@example.com"}


@pytest.mark.parametrize("at", [None, "soon", "2026-07-15T09:00:01Z", "2026-07-15T10:00:00"])
def test_history_needs_a_past_date(klaviyo: Caller, at: str | None) -> None:
    """The last one, meant for Paris, lies in the future because no zone means UTC."""
    answer = klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com", at=at)], historical_import=True)
    assert pointers(answer) == [f"{ROWS}/0/attributes/subscriptions/email/marketing/consented_at"]
    assert "valid consented_at timestamp" in errors(answer)[0]["detail"]


def test_every_channel_of_history_needs_a_date(klaviyo: Caller) -> None:
    row = subscriber("ann@example.com", US, at=AT)
    row["attributes"]["subscriptions"]["sms"]["transactional"] = {"consent": "SUBSCRIBED"}
    answer = klaviyo.post_job(SUBSCRIBE, [row], historical_import=True)
    assert pointers(answer) == [f"{ROWS}/0/attributes/subscriptions/sms/transactional/consented_at"]


def test_tracking_consent_has_no_date(klaviyo: Caller) -> None:
    row = subscriber("ann@example.com", at=AT)
    row["attributes"]["subscriptions"]["email"]["open_tracking"] = {"consent": "SUBSCRIBED"}
    assert klaviyo.post_job(SUBSCRIBE, [row], historical_import=True).status_code == 202
    row["attributes"]["subscriptions"]["email"]["click_tracking"] = {"consent": "SUBSCRIBED"}
    assert pointers(klaviyo.post_job(SUBSCRIBE, [row], historical_import=True)) == [
        f"{ROWS}/0/attributes/subscriptions/email/click_tracking"
    ]


@pytest.mark.parametrize("flag", [{}, {"historical_import": False}])
def test_a_date_without_history_is_refused(klaviyo: Caller, flag: dict[str, Any]) -> None:
    answer = klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com", at=AT)], **flag)
    assert pointers(answer) == [f"{ROWS}/0/attributes/subscriptions/email/marketing/consented_at"]


# What is refused.


def test_a_call_takes_a_thousand_people(klaviyo: Caller) -> None:
    rows = [subscriber(f"user{number}@example.com") for number in range(1001)]
    assert pointers(klaviyo.post_job(SUBSCRIBE, rows)) == [ROWS]
    assert pointers(klaviyo.post_job(SUBSCRIBE, [])) == [ROWS]
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    subscribe(klaviyo, *rows[:1000], list_id=target.id)
    assert len(klaviyo.emails(target.id)) == 1000


def test_one_bad_row_refuses_all_and_every_bad_row_is_named(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    rows = [
        subscriber("good@example.com"),
        subscriber("no-at-sign.example.com"),
        subscriber(phone="12025550101"),
        subscriber("good2@example.com", external_id="c-1"),
        {"type": "profile", "attributes": {"email": "x@example.com"}},
        subscriber("y@example.com", subscriptions={"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}),
        subscriber("z@example.com", subscriptions={"fax": {"marketing": {"consent": "SUBSCRIBED"}}}),
    ]
    answer = klaviyo.post_job(SUBSCRIBE, rows, target.id)
    assert pointers(answer) == [
        f"{ROWS}/1/attributes/email",
        f"{ROWS}/2/attributes/phone_number",
        f"{ROWS}/2/attributes/phone_number",
        f"{ROWS}/3/attributes/external_id",
        f"{ROWS}/4/attributes/subscriptions",
        f"{ROWS}/5/attributes/subscriptions/email/marketing/consent",
        f"{ROWS}/6/attributes/subscriptions/fax",
    ]
    klaviyo.wait()
    assert klaviyo.emails(target.id) == set()
    assert klaviyo.account.contacts == 0


def test_a_channel_needs_its_identifier(klaviyo: Caller) -> None:
    both = subscriber("ann@example.com", US)["attributes"]["subscriptions"]
    answer = klaviyo.post_job(
        SUBSCRIBE,
        [subscriber("ann@example.com", subscriptions=both), subscriber(phone=US, subscriptions=both)],
    )
    assert pointers(answer) == [f"{ROWS}/0/attributes/phone_number", f"{ROWS}/1/attributes/email"]
    assert errors(answer)[0]["detail"] == (
        "'phone_number' must not be empty when the sms channel is included in 'subscriptions'."
    )


def test_an_unknown_list_is_refused(klaviyo: Caller) -> None:
    answer = klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com")], "Nolist")
    assert pointers(answer) == ["/data/relationships/list/data/id"]


def test_the_list_is_an_object_not_an_array(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    body = {
        "data": {
            "type": SUBSCRIBE,
            "attributes": {"profiles": {"data": [subscriber("ann@example.com")]}},
            "relationships": {"lists": {"data": [{"type": "list", "id": target.id}]}},
        }
    }
    assert pointers(klaviyo.call("POST", f"/api/{SUBSCRIBE}s", body)) == ["/data/relationships/lists"]


def test_sms_needs_a_sender_in_the_country(klaviyo: Caller) -> None:
    rows = [subscriber(phone=US), subscriber("f@example.com", FRANCE), subscriber("c@example.com", CHINA)]
    answer = klaviyo.post_job(SUBSCRIBE, rows)
    assert pointers(answer) == [f"{ROWS}/1/attributes/phone_number", f"{ROWS}/2/attributes/phone_number"]
    no_sender, no_country = (error["detail"] for error in errors(answer))
    assert "no sending number" in no_sender
    assert "not supported" in no_country
    settings(klaviyo, sms_regions=frozenset({"FR"}))
    assert pointers(klaviyo.post_job(SUBSCRIBE, rows[:2])) == [f"{ROWS}/0/attributes/phone_number"]


@pytest.mark.parametrize(
    ("born", "accepted"), [(None, False), ("2010-01-01", False), ("2005-07-15", True), ("x", False)]
)
def test_age_gates_hold_for_sms(klaviyo: Caller, born: str | None, accepted: bool) -> None:
    settings(klaviyo, age_gate=21)
    extra = {"age_gated_date_of_birth": born} if born else {}
    answer = klaviyo.post_job(SUBSCRIBE, [subscriber(phone=US, **extra), subscriber("ann@example.com")])
    if accepted:
        assert answer.status_code == 202
    else:
        assert pointers(answer) == [f"{ROWS}/0/attributes/age_gated_date_of_birth"]


def test_a_bad_phone_beside_a_good_email_is_dropped(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    row = subscriber("ann@example.com", phone_number="+1 (202) 555")
    answer = klaviyo.post_job(SUBSCRIBE, [row], target.id)
    assert answer.status_code == 202
    assert answer.headers["X-Klaviyo-Partial-Failure"] == "phone_number"
    klaviyo.wait()
    ann = klaviyo.account.find("ann@example.com")
    assert ann is not None
    assert ann.phone_number is None
    assert klaviyo.emails(target.id) == {"ann@example.com"}


def test_a_bad_phone_with_an_sms_block_is_a_switch(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    row = subscriber("ann@example.com", "0612345678")
    assert pointers(klaviyo.post_job(SUBSCRIBE, [row], target.id)) == [f"{ROWS}/0/attributes/phone_number"]
    klaviyo.switches.refuse_dropped_phone_with_sms = False
    answer = klaviyo.post_job(SUBSCRIBE, [row], target.id)
    assert answer.headers["X-Klaviyo-Partial-Failure"] == "phone_number"
    klaviyo.wait()
    assert klaviyo.consent("ann@example.com").status == "SUBSCRIBED"


def test_jobs_may_land_out_of_order(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    klaviyo.switches.delay_jitter = 60
    for number in range(20):
        assert klaviyo.post_job(SUBSCRIBE, [subscriber(f"{number}@example.com")], target.id).status_code == 202
    klaviyo.wait(61)
    landed = [change.email for change in klaviyo.account.audit]
    assert len(landed) == 20
    assert landed != [f"{number}@example.com" for number in range(20)]

"""Entering a Klaviyo subscription list: who is subscribed, on which channel, and who is not and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audience_assets.destinations.base import Evidence, Member, Outcome, Recheck, Report, Status
from audience_assets.sandbox import Action, Fault
from audience_assets.sandbox.klaviyo import AccountSettings
from audience_assets_tests.destinations.klaviyo_world import KlaviyoWorld, email_member, klaviyo

__all__ = ["klaviyo"]

ANN, BOB = "ann@example.com", "bob@example.com"
PHONE, OTHER_PHONE = "+12025550123", "+12025550188"
JAPANESE, BELGIAN = "+81312345678", "+32470123456"
BOTH = ("email", "sms")


def only(report: Report) -> Outcome:
    [outcome] = report.outcomes
    return outcome


def reasons(outcome: Outcome) -> dict[str | None, str]:
    return {issue.channel: issue.reason for issue in outcome.issues}


def test_a_known_contact_is_subscribed_and_the_write_is_told(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    target = klaviyo.make_list()
    outcome = only(klaviyo.service().add(target, [email_member("  Ann@Example.com ")]))
    assert outcome.identifier == ANN
    assert outcome.status is Status.ACCEPTED
    [write] = outcome.consents
    assert (write.channel, write.address, write.status, write.basis) == ("email", ANN, "subscribed", "segment_entry")
    assert write.request_id
    assert write.consented_at is None
    assert klaviyo.status(ANN) == "SUBSCRIBED"
    consent = klaviyo.account.consent(ANN)
    assert consent is not None
    assert consent.custom_detail == f"audience-assets: {target.name}"


def test_the_source_can_be_named(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    klaviyo.service(custom_source="Warehouse").add(klaviyo.make_list(), [email_member(ANN)])
    klaviyo.account.finish_jobs()
    consent = klaviyo.account.consent(ANN)
    assert consent is not None
    assert consent.custom_detail == "Warehouse"


def test_an_unknown_person_is_absent_and_never_made(klaviyo: KlaviyoWorld) -> None:
    outcome = only(klaviyo.service(channels=BOTH).add(klaviyo.make_list(), [email_member(ANN, phone=PHONE)]))
    assert (outcome.status, outcome.issues, outcome.consents) == (Status.ABSENT, [], [])
    klaviyo.account.finish_jobs()
    assert klaviyo.account.find(ANN) is None
    assert klaviyo.writes() == 0


def test_a_malformed_address_is_rejected_unsent(klaviyo: KlaviyoWorld) -> None:
    outcome = only(klaviyo.service().add(klaviyo.make_list(), [email_member("ann@@example.com")]))
    assert outcome.status is Status.REJECTED
    assert reasons(outcome) == {"email": "invalid_email"}
    assert len(klaviyo.sandbox.requests) == 0


def test_on_a_double_opt_in_list_nobody_is_in_before_they_confirm(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    service = klaviyo.service()
    target = service.ensure_list("Readers")
    assert target.facts == {"opt-in process": "double_opt_in", "adopted": "no"}
    assert only(service.add(target, [email_member(ANN)])).status is Status.ACCEPTED
    assert klaviyo.emails(target) == set()
    klaviyo.account.confirm(ANN)
    assert klaviyo.emails(target) == {ANN}


def test_an_existing_list_keeps_its_opt_in_process(klaviyo: KlaviyoWorld) -> None:
    klaviyo.make_list("single_opt_in", "Readers")
    target = klaviyo.service(opt_in_process="double_opt_in").ensure_list("Readers")
    assert target.facts == {"opt-in process": "single_opt_in", "adopted": "yes"}
    assert not target.created


def test_the_opt_in_process_of_a_new_list_can_be_chosen(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.service(opt_in_process="single_opt_in").ensure_list("Readers")
    assert target.facts["opt-in process"] == "single_opt_in"


@pytest.mark.parametrize("name", ['Say "hi"', "Ünïcode, und (mehr)", "a+b & c=d", "back\\slash"])
def test_list_names_are_matched_whatever_they_hold(klaviyo: KlaviyoWorld, name: str) -> None:
    service = klaviyo.service()
    for number in range(25):
        klaviyo.make_list(name=f"List {number}")
    made = service.ensure_list(name)
    assert service.ensure_list(name).id == made.id


@pytest.mark.parametrize("action", [Action.RESET_AFTER, Action.ERROR_AFTER, Action.ERROR_BEFORE])
def test_a_list_whose_creation_went_unanswered_is_not_made_twice(klaviyo: KlaviyoWorld, action: Action) -> None:
    klaviyo.sandbox.faults.add(Fault(action, "create_list", times=1))
    target = klaviyo.service().ensure_list("Readers")
    assert target.created
    assert [each.name for each in klaviyo.account.lists] == ["Readers"]


# -- people who opted out -----------------------------------------------------------------------------------------


def opted_out_a_week_ago(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    klaviyo.account.opt_out(ANN, at=klaviyo.ago(days=7))


@pytest.mark.parametrize(
    ("policy", "days_since_consent", "subscribed"),
    [
        ("if_newer_consent", None, False),
        ("if_newer_consent", 8, False),
        ("if_newer_consent", 6, True),
        ("if_newer_consent", -1, False),
        ("never", 6, False),
        ("always", None, True),
    ],
)
def test_an_opt_out_stands_unless_the_consent_is_newer(
    klaviyo: KlaviyoWorld, policy: str, days_since_consent: float | None, subscribed: bool
) -> None:
    opted_out_a_week_ago(klaviyo)
    evidence = Evidence("opted_in", klaviyo.ago(days=days_since_consent)) if days_since_consent else Evidence()
    outcome = only(klaviyo.service(resubscribe=policy).add(klaviyo.make_list(), [email_member(ANN, evidence)]))
    assert klaviyo.status(ANN) == ("SUBSCRIBED" if subscribed else "UNSUBSCRIBED")
    if not subscribed:
        assert outcome.status is Status.REJECTED
        assert reasons(outcome) == {"email": "vendor_opt_out"}
        assert klaviyo.writes() == 0


@pytest.mark.parametrize("reason", ["USER_SUPPRESSED", "SPAM_COMPLAINT", "UNSUBSCRIBE"])
def test_a_suppression_that_subscribing_would_lift_is_an_opt_out(klaviyo: KlaviyoWorld, reason: str) -> None:
    klaviyo.seed({"email": ANN, "consents": {"email": "SUBSCRIBED"}})
    klaviyo.account.suppress(ANN, reason)
    outcome = only(klaviyo.service().add(klaviyo.make_list(), [email_member(ANN)]))
    assert reasons(outcome) == {"email": "vendor_opt_out"}


def test_a_bounce_is_no_opt_out(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    klaviyo.account.suppress(ANN, "HARD_BOUNCE")
    assert only(klaviyo.service().add(klaviyo.make_list(), [email_member(ANN)])).status is Status.ACCEPTED


def test_an_opt_out_of_our_own_does_not_stand_in_the_way(klaviyo: KlaviyoWorld) -> None:
    """They left the segment and came back."""
    klaviyo.seed({"email": ANN})
    target = klaviyo.make_list()
    klaviyo.service().add(target, [email_member(ANN)])
    klaviyo.service().remove(target, [email_member(ANN)])
    left_at = klaviyo.now
    assert klaviyo.status(ANN) == "UNSUBSCRIBED"
    klaviyo.clock.advance(86_400)
    back = email_member(ANN, Evidence(own_opt_out_at=left_at))
    assert only(klaviyo.service(resubscribe="never").add(target, [back])).status is Status.REJECTED
    assert only(klaviyo.service().add(target, [back])).status is Status.ACCEPTED
    klaviyo.account.opt_out(ANN, at=klaviyo.now + timedelta(days=1))
    assert only(klaviyo.service().add(target, [back])).status is Status.REJECTED


def test_an_opt_out_in_our_history_stands_under_every_policy(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    member = email_member(ANN, Evidence("opted_out", klaviyo.ago(days=1)))
    for policy in ("never", "if_newer_consent", "always"):
        outcome = only(klaviyo.service(resubscribe=policy).add(klaviyo.make_list(name=policy), [member]))
        assert reasons(outcome) == {"email": "history_opt_out"}
    assert klaviyo.writes() == 0


# -- repeats ------------------------------------------------------------------------------------------------------


def test_who_is_subscribed_and_in_the_list_is_left_alone(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    target, service = klaviyo.make_list(), klaviyo.service()
    service.add(target, [email_member(ANN)])
    klaviyo.account.finish_jobs()
    writes = klaviyo.writes()
    outcome = only(service.add(target, [email_member(ANN)]))
    assert outcome.status is Status.ACCEPTED
    assert klaviyo.writes() == writes
    # The first write's answer may never have been noted: the log can still explain it.
    assert [(write.status, write.changed) for write in outcome.consents] == [("subscribed", False)]


def test_who_is_subscribed_and_not_in_the_list_is_added(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN, "consents": {"email": "SUBSCRIBED"}})
    target = klaviyo.make_list()
    klaviyo.service().add(target, [email_member(ANN)])
    assert klaviyo.emails(target) == {ANN}


def test_nobody_subscribed_yet_costs_no_membership_check(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN}, {"email": BOB})
    report = klaviyo.service().add(klaviyo.make_list(), [email_member(ANN), email_member(BOB)])
    assert report.calls == 2


# -- consent history ----------------------------------------------------------------------------------------------


def test_history_is_imported_with_its_time_and_without_confirmation(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    target = klaviyo.make_list("double_opt_in")
    when = klaviyo.ago(days=400)
    service = klaviyo.service(import_history=True)
    [write] = only(service.add(target, [email_member(ANN, Evidence("opted_in", when))])).consents
    assert (write.basis, write.consented_at) == ("consent_history", when)
    assert klaviyo.emails(target) == {ANN}
    consent = klaviyo.account.consent(ANN)
    assert consent is not None
    assert consent.consented_at == when.timestamp()
    [body] = klaviyo.calls("bulk_subscribe_profiles")
    assert body["data"]["attributes"]["historical_import"] is True


@pytest.mark.parametrize(
    ("days", "reason", "recheck"),
    [(None, "consent_at_missing", Recheck.WHEN_CHANGED), (-2, "consent_at_in_future", Recheck.NEXT_SYNC)],
)
def test_history_without_a_past_time_is_rejected_alone(
    klaviyo: KlaviyoWorld, days: float | None, reason: str, recheck: Recheck
) -> None:
    klaviyo.seed({"email": ANN}, {"email": BOB})
    target = klaviyo.make_list()
    bad = Evidence("opted_in", klaviyo.ago(days=days) if days else None)
    members = [email_member(ANN, bad), email_member(BOB, Evidence("opted_in", klaviyo.ago(days=2)))]
    report = klaviyo.service(import_history=True).add(target, members)
    outcomes = {outcome.identifier: outcome for outcome in report.outcomes}
    assert reasons(outcomes[ANN]) == {"email": reason}
    assert outcomes[ANN].issues[0].recheck is recheck
    assert klaviyo.emails(target) == {BOB}


def test_without_import_no_consent_time_is_sent(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    klaviyo.service().add(klaviyo.make_list(), [email_member(ANN, Evidence("opted_in", klaviyo.ago(days=2)))])
    [body] = klaviyo.calls("bulk_subscribe_profiles")
    assert "historical_import" not in body["data"]["attributes"]
    assert "consented_at" not in str(body)


# -- text messages ------------------------------------------------------------------------------------------------


def add_both(klaviyo: KlaviyoWorld, *members: Member, **kwargs: Any) -> list[Outcome]:
    target = klaviyo.make_list()
    return klaviyo.service(channels=BOTH, **kwargs).add(target, members).outcomes


def test_both_channels_go_in_requests_of_their_own(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN, "phone_number": PHONE})
    [outcome] = add_both(klaviyo, email_member(ANN, phone="(202) 555-0123", region="us"))
    assert outcome.status is Status.ACCEPTED
    assert {(write.channel, write.address) for write in outcome.consents} == {("email", ANN), ("sms", PHONE)}
    assert (klaviyo.status(ANN), klaviyo.status(ANN, "sms")) == ("SUBSCRIBED", "SUBSCRIBED")
    assert len(klaviyo.calls("bulk_subscribe_profiles")) == 2


def test_a_phone_new_to_klaviyo_joins_the_profile_of_the_address(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    [outcome] = add_both(klaviyo, email_member(ANN, phone="202 555 0123"), default_region="US")
    assert outcome.issues == []
    assert klaviyo.status(PHONE, "sms") == "SUBSCRIBED"
    found = klaviyo.account.find(PHONE)
    assert found is not None
    assert found.email == ANN


def test_a_phone_on_another_profile_keeps_the_email_half(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN}, {"email": BOB, "phone_number": PHONE})
    [outcome] = add_both(klaviyo, email_member(ANN, phone=PHONE))
    assert outcome.status is Status.ACCEPTED
    assert reasons(outcome) == {"sms": "phone_on_other_profile"}
    assert (klaviyo.status(ANN), klaviyo.status(BOB, "sms")) == ("SUBSCRIBED", "NEVER_SUBSCRIBED")


def test_who_is_known_by_phone_only_is_texted(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"phone_number": PHONE})
    [outcome] = add_both(klaviyo, email_member(ANN, phone=PHONE))
    assert outcome.status is Status.ACCEPTED
    assert [write.channel for write in outcome.consents] == ["sms"]
    assert klaviyo.account.find(ANN) is None, "the profile does not get the address"


@pytest.mark.parametrize("phone", [JAPANESE, BELGIAN])
def test_a_region_that_cant_be_texted_keeps_the_email_half(klaviyo: KlaviyoWorld, phone: str) -> None:
    klaviyo.seed({"email": ANN, "phone_number": phone}, {"email": BOB, "phone_number": PHONE})
    ann, bob = add_both(klaviyo, email_member(ANN, phone=phone), email_member(BOB, phone=PHONE))
    assert ann.status is Status.ACCEPTED
    assert reasons(ann) == {"sms": "sms_unavailable_in_region"}
    assert bob.issues == []
    assert (klaviyo.status(ANN), klaviyo.status(ANN, "sms")) == ("SUBSCRIBED", "NEVER_SUBSCRIBED")
    assert klaviyo.status(BOB, "sms") == "SUBSCRIBED"


def test_an_account_without_sms_keeps_every_email_half(klaviyo: KlaviyoWorld) -> None:
    klaviyo.account.settings = AccountSettings(sms_regions=frozenset())
    people = [(f"p{number}@example.com", f"+1202555{number:04}") for number in range(100, 130)]
    klaviyo.seed(*({"email": email, "phone_number": phone} for email, phone in people))
    outcomes = add_both(klaviyo, *(email_member(email, phone=phone) for email, phone in people))
    assert {outcome.status for outcome in outcomes} == {Status.ACCEPTED}
    assert {reasons(outcome)["sms"] for outcome in outcomes} == {"sms_unavailable_in_region"}


def test_an_age_gate_is_its_own_reason(klaviyo: KlaviyoWorld) -> None:
    klaviyo.account.settings = AccountSettings(age_gate=21)
    klaviyo.seed({"email": ANN, "phone_number": PHONE})
    [outcome] = add_both(klaviyo, email_member(ANN, phone=PHONE))
    assert reasons(outcome) == {"sms": "sms_age_gated"}


def test_missing_and_malformed_numbers_are_told_apart(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN}, {"email": BOB})
    ann, bob = add_both(klaviyo, email_member(ANN, phone=None), email_member(BOB, phone="12"))
    assert reasons(ann) == {"sms": "no_phone"}
    assert reasons(bob) == {"sms": "invalid_phone"}
    assert {klaviyo.status(ANN), klaviyo.status(BOB)} == {"SUBSCRIBED"}


def test_one_phone_of_two_members_is_used_once(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN}, {"email": BOB})
    ann, bob = add_both(klaviyo, email_member(ANN, phone=PHONE), email_member(BOB, phone=PHONE))
    assert ann.issues == []
    assert reasons(bob) == {"sms": "duplicate_address"}


def test_a_text_opt_out_keeps_the_email_half(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN, "phone_number": PHONE})
    klaviyo.account.opt_out(PHONE, "sms")
    [outcome] = add_both(klaviyo, email_member(ANN, phone=PHONE))
    assert outcome.status is Status.ACCEPTED
    assert reasons(outcome) == {"sms": "vendor_opt_out"}
    assert klaviyo.status(ANN, "sms") == "UNSUBSCRIBED"


def test_with_sms_alone_the_address_finds_the_owner_of_a_new_number(klaviyo: KlaviyoWorld) -> None:
    klaviyo.seed({"email": ANN})
    member = Member(PHONE, {"phone": PHONE, "email": ANN})
    outcome = only(klaviyo.service(channels=("sms",)).add(klaviyo.make_list(), [member]))
    assert outcome.status is Status.ACCEPTED
    assert (klaviyo.status(ANN), klaviyo.status(PHONE, "sms")) == ("NEVER_SUBSCRIBED", "SUBSCRIBED")


def test_a_settled_channel_is_left_alone_while_the_other_is_sent(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.seed({"email": ANN, "phone_number": PHONE, "consents": {"email": "SUBSCRIBED"}, "lists": [target.id]})
    klaviyo.service(channels=BOTH).add(target, [email_member(ANN, phone=PHONE)])
    [body] = klaviyo.calls("bulk_subscribe_profiles")
    [row] = body["data"]["attributes"]["profiles"]["data"]
    assert list(row["attributes"]["subscriptions"]) == ["sms"]


# -- size ---------------------------------------------------------------------------------------------------------


def test_long_addresses_keep_the_url_below_eight_kilobytes(klaviyo: KlaviyoWorld) -> None:
    emails = [f"{'very.long.local.part+' * 2}{number:03}@{'sub-domain.' * 12}example.com" for number in range(100)]
    klaviyo.seed(*({"email": email} for email in emails))
    target = klaviyo.make_list()
    klaviyo.service().add(target, [email_member(email) for email in emails])
    assert klaviyo.emails(target) == set(emails)
    longest = max(len(entry.query_string) + len(entry.path) for entry in klaviyo.sandbox.requests)
    assert 4_000 < longest < 8_192

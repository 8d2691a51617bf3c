"""Leaving a Klaviyo subscription list: out of the list and opted out, and nobody else touched."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from audience_assets.destinations.base import Evidence, ListRef, Member, Status
from audience_assets.sandbox import Action, Fault
from audience_assets.sandbox.klaviyo import AccountSettings
from audience_assets_tests.destinations.klaviyo_world import KlaviyoWorld, email_member, klaviyo

__all__ = ["klaviyo"]

ANN, BOB = "ann@example.com", "bob@example.com"
PHONE, OTHER_PHONE = "+12025550123", "+12025550188"
BOTH = ("email", "sms")
UNSUBSCRIBE = "bulk_unsubscribe_profiles"


def list_with(klaviyo: KlaviyoWorld, *rows: Mapping[str, object]) -> ListRef:
    """A list whose members are subscribed on every channel they have an address for."""
    target = klaviyo.make_list()
    channels = {"email": "email", "phone_number": "sms"}
    for row in rows:
        consents = {channel: "SUBSCRIBED" for name, channel in channels.items() if name in row}
        klaviyo.seed({"consents": consents, "lists": [target.id], **row})
    return target


def leaving(email: str, **previous: object) -> Member:
    return Member(email, {"email": None}, previous={"email": email, **previous})


def test_one_call_that_names_the_list(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN, "phone_number": PHONE}, {"email": BOB})
    report = klaviyo.service(channels=BOTH).remove(target, [leaving(ANN, phone=PHONE)])
    assert klaviyo.emails(target) == {BOB}
    assert (klaviyo.status(ANN), klaviyo.status(ANN, "sms")) == ("UNSUBSCRIBED", "UNSUBSCRIBED")
    assert klaviyo.status(BOB) == "SUBSCRIBED"
    [body] = klaviyo.calls(UNSUBSCRIBE)
    assert body["data"]["relationships"]["list"]["data"]["id"] == target.id
    [outcome] = report.outcomes
    written = {(write.channel, write.address, write.status, write.basis, write.changed) for write in outcome.consents}
    assert written == {
        ("email", ANN, "unsubscribed", "segment_exit", True),
        ("sms", PHONE, "unsubscribed", "segment_exit", True),
    }


def test_only_chosen_channels_are_opted_out(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN, "phone_number": PHONE})
    klaviyo.service().remove(target, [leaving(ANN, phone=PHONE)])
    assert (klaviyo.status(ANN), klaviyo.status(ANN, "sms")) == ("UNSUBSCRIBED", "SUBSCRIBED")


def test_who_is_not_in_the_list_or_unknown_is_not_sent(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.seed({"email": ANN, "consents": {"email": "SUBSCRIBED"}})
    report = klaviyo.service().remove(target, [leaving(ANN), leaving(BOB)])
    assert [(o.status, o.consents) for o in report.outcomes] == [(Status.ACCEPTED, [])] * 2
    assert klaviyo.writes() == 0
    assert klaviyo.status(ANN) == "SUBSCRIBED"
    assert klaviyo.account.find(BOB) is None


def test_the_opt_out_of_who_was_opted_out_already_is_theirs(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN})
    klaviyo.account.opt_out(ANN)
    [outcome] = klaviyo.service().remove(target, [leaving(ANN)]).outcomes
    assert [write.changed for write in outcome.consents] == [False]
    assert klaviyo.emails(target) == set()


@pytest.mark.parametrize(("minutes_after_ours", "ours"), [(1, True), (16, False)])
def test_the_opt_out_of_who_left_another_list_before_stays_ours(
    klaviyo: KlaviyoWorld, minutes_after_ours: int, ours: bool
) -> None:
    target = list_with(klaviyo, {"email": ANN})
    left_another = klaviyo.now
    klaviyo.clock.advance(60 * minutes_after_ours)
    klaviyo.account.opt_out(ANN)
    klaviyo.clock.advance(86_400)
    member = leaving(ANN)
    member.evidence["email"] = Evidence(own_opt_out_at=left_another)
    [outcome] = klaviyo.service().remove(target, [member]).outcomes
    assert [write.changed for write in outcome.consents] == [ours]
    assert klaviyo.emails(target) == set()


def test_a_number_that_moved_to_somebody_else_is_not_opted_out_with_them(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN})
    klaviyo.seed({"email": BOB, "phone_number": PHONE, "consents": {"sms": "SUBSCRIBED"}})
    klaviyo.service(channels=BOTH).remove(target, [leaving(ANN, phone=PHONE)])
    assert klaviyo.emails(target) == set()
    assert klaviyo.status(BOB, "sms") == "SUBSCRIBED"


def test_who_is_known_by_phone_only_leaves_too(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"phone_number": PHONE})
    [contact] = klaviyo.account.members(target.id)
    member = leaving(ANN, phone=PHONE)
    member.vendor_id = contact.id
    klaviyo.service(channels=BOTH).remove(target, [member])
    assert list(klaviyo.account.members(target.id)) == []
    assert klaviyo.status(PHONE, "sms") == "UNSUBSCRIBED"


def test_whether_a_contact_known_by_phone_only_is_somebody_else_as_well_is_asked_first(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"phone_number": PHONE})
    [contact] = klaviyo.account.members(target.id)
    [outcome] = klaviyo.service(channels=BOTH).remove(target, [leaving(ANN, phone=PHONE)]).outcomes
    assert (outcome.status, outcome.vendor_id) == (Status.RETRY, contact.id)
    assert klaviyo.calls(UNSUBSCRIBE) == []


@pytest.mark.parametrize("global_unsubscribe", [True, False])
@pytest.mark.parametrize("action", [Action.RESET_BEFORE, Action.RESET_AFTER, Action.ERROR_BEFORE, Action.ERROR_AFTER])
def test_a_lost_answer_never_unsubscribes_from_everything(
    klaviyo: KlaviyoWorld, action: Action, global_unsubscribe: bool
) -> None:
    klaviyo.account.settings = AccountSettings(global_unsubscribe=global_unsubscribe)
    target = list_with(klaviyo, {"email": ANN}, {"email": BOB})
    klaviyo.sandbox.faults.add(Fault(action, UNSUBSCRIBE, times=1))
    report = klaviyo.service().remove(target, [leaving(ANN), leaving(BOB)])
    assert {outcome.status for outcome in report.outcomes} == {Status.ACCEPTED}
    assert klaviyo.emails(target) == set()
    assert all(len(outcome.consents) == 1 for outcome in report.outcomes), "each write is told once"
    assert not any(change.escalated for change in klaviyo.account.audit)


def test_a_lasting_outage_is_left_to_the_next_sync(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN}, {"email": BOB})
    fault = klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, UNSUBSCRIBE))
    report = klaviyo.service().remove(target, [leaving(ANN), leaving("eve@example.com")])
    assert [outcome.status for outcome in report.outcomes] == [Status.RETRY, Status.ACCEPTED]
    assert fault.hits == 3
    assert klaviyo.emails(target) == {ANN, BOB}


def test_who_leaves_by_themselves_before_the_repeat_is_not_sent_again(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN}, {"email": BOB})

    def bob_is_taken_off(_request: object) -> None:
        found, profile = klaviyo.account.find_list(target.id), klaviyo.account.find(BOB)
        assert found is not None
        assert profile is not None
        found.remove(profile.number)

    klaviyo.sandbox.faults.add(Fault(Action.HOOK_AFTER, UNSUBSCRIBE, times=1, hook=bob_is_taken_off))
    klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, UNSUBSCRIBE, times=1))
    klaviyo.service().remove(target, [leaving(ANN), leaving(BOB)])
    assert klaviyo.emails(target) == set()
    assert (klaviyo.status(ANN), klaviyo.status(BOB)) == ("UNSUBSCRIBED", "SUBSCRIBED")


def test_more_than_a_hundred_are_sent_in_parts(klaviyo: KlaviyoWorld) -> None:
    emails = [f"person{number}@example.com" for number in range(230)]
    target = list_with(klaviyo, *({"email": email} for email in emails))
    klaviyo.service().remove(target, [leaving(email) for email in emails])
    assert klaviyo.emails(target) == set()
    sizes = [len(body["data"]["attributes"]["profiles"]["data"]) for body in klaviyo.calls(UNSUBSCRIBE)]
    assert sizes == [100, 100, 30]
    assert not any(change.escalated for change in klaviyo.account.audit)


# -- a changed phone number ---------------------------------------------------------------------------------------


def moved(email: str, old: str | None, new: str | None) -> Member:
    member = email_member(email, phone=new)
    member.previous = {"email": email, "phone": old}
    return member


def test_the_old_number_is_opted_out_and_the_new_one_enters(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN, "phone_number": PHONE})
    [outcome] = klaviyo.service(channels=BOTH).update(target, [moved(ANN, PHONE, OTHER_PHONE)]).outcomes
    assert outcome.status is Status.ACCEPTED
    assert outcome.issues == []
    assert [(write.address, write.status, write.basis) for write in outcome.consents] == [
        (PHONE, "unsubscribed", "address_changed"),
        (OTHER_PHONE, "subscribed", "segment_entry"),
    ]
    assert klaviyo.emails(target) == {ANN}
    assert klaviyo.status(ANN) == "SUBSCRIBED"
    assert klaviyo.status(OTHER_PHONE, "sms") == "SUBSCRIBED"


def test_email_membership_survives_on_a_double_opt_in_list(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list("double_opt_in")
    consents = {"email": "SUBSCRIBED", "sms": "SUBSCRIBED"}
    klaviyo.seed({"email": ANN, "phone_number": PHONE, "consents": consents, "lists": [target.id]})
    klaviyo.service(channels=BOTH).update(target, [moved(ANN, PHONE, OTHER_PHONE)])
    assert klaviyo.emails(target) == {ANN}
    assert (klaviyo.status(ANN), klaviyo.status(ANN, "sms")) == ("SUBSCRIBED", "UNSUBSCRIBED")
    klaviyo.account.confirm(OTHER_PHONE)
    assert klaviyo.status(OTHER_PHONE, "sms") == "SUBSCRIBED"


def test_a_first_number_just_enters(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN})
    klaviyo.service(channels=BOTH).update(target, [moved(ANN, None, PHONE)])
    assert klaviyo.status(PHONE, "sms") == "SUBSCRIBED"
    assert klaviyo.calls(UNSUBSCRIBE) == []


def test_a_number_given_up_is_opted_out(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN, "phone_number": PHONE})
    [outcome] = klaviyo.service(channels=BOTH).update(target, [moved(ANN, PHONE, None)]).outcomes
    assert outcome.status is Status.ACCEPTED
    assert (klaviyo.status(ANN), klaviyo.status(ANN, "sms")) == ("SUBSCRIBED", "UNSUBSCRIBED")
    assert klaviyo.emails(target) == {ANN}


def test_an_old_number_that_klaviyo_does_not_know_is_not_sent(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN})
    klaviyo.service(channels=BOTH).update(target, [moved(ANN, PHONE, OTHER_PHONE)])
    assert klaviyo.calls(UNSUBSCRIBE) == []
    assert klaviyo.account.find(PHONE) is None


def test_who_opted_out_of_texts_stays_so_with_a_new_number(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN, "phone_number": PHONE})
    klaviyo.account.opt_out(PHONE, "sms")
    [outcome] = klaviyo.service(channels=BOTH).update(target, [moved(ANN, PHONE, OTHER_PHONE)]).outcomes
    assert outcome.status is Status.ACCEPTED, "still in the list"
    assert [(issue.channel, issue.reason) for issue in outcome.issues] == [("sms", "vendor_opt_out")]
    assert klaviyo.writes() == 0


def test_another_spelling_of_the_same_number_changes_nothing(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN, "phone_number": PHONE})
    klaviyo.service(channels=BOTH).update(target, [moved(ANN, PHONE, "+1 (202) 555-0123")])
    assert klaviyo.writes() == 0


def test_an_outage_while_the_old_number_goes_is_left_to_the_next_sync(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, {"email": ANN, "phone_number": PHONE})
    klaviyo.sandbox.faults.add(Fault(Action.RESET_BEFORE, UNSUBSCRIBE, times=1))
    service = klaviyo.service(channels=BOTH)
    [outcome] = service.update(target, [moved(ANN, PHONE, OTHER_PHONE)]).outcomes
    assert outcome.status is Status.RETRY
    assert klaviyo.calls("bulk_subscribe_profiles") == []
    [outcome] = service.update(target, [moved(ANN, PHONE, OTHER_PHONE)]).outcomes
    assert outcome.status is Status.ACCEPTED
    assert klaviyo.status(OTHER_PHONE, "sms") == "SUBSCRIBED"


def test_members_with_one_address_are_each_known_by_it_when_their_numbers_change(klaviyo: KlaviyoWorld) -> None:
    """Where texts are the only channel, the number is what a member is known by."""
    target = list_with(klaviyo, {"email": ANN})
    [contact] = klaviyo.account.members(target.id)
    numbers = {PHONE: "+12025550171", OTHER_PHONE: "+12025550172"}
    members = [
        Member(old, {"email": ANN, "phone": new}, contact.id, previous={"email": ANN, "phone": old})
        for old, new in numbers.items()
    ]
    report = klaviyo.service(channels=("sms",)).update(target, members)
    assert Status.REENTERS not in {outcome.status for outcome in report.outcomes}

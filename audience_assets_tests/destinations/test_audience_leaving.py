"""Leaving a Klaviyo audience list: off the list, whatever imports are still on their way, and nobody opted out."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from audience_assets.destinations.base import ListRef, Member, Operation, Status, Unavailable
from audience_assets.destinations.limits import floor_seconds
from audience_assets.sandbox import Action, Fault, LoggedRequest
from audience_assets_tests.destinations.klaviyo_world import KlaviyoWorld, email_member, klaviyo, statuses

__all__ = ["klaviyo"]

ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"
IMPORT, REMOVE, LOOK_UP = "bulk_import_profiles", "remove_profiles_from_list", "get_profiles_for_list"


def leaving(email: str) -> Member:
    return Member(email, {"email": email}, previous={"email": email})


def list_with(klaviyo: KlaviyoWorld, *emails: str, consent: str = "SUBSCRIBED") -> ListRef:
    target = klaviyo.make_list()
    klaviyo.seed(*({"email": each, "consents": {"email": consent}, "lists": [target.id]} for each in emails))
    return target


def test_off_the_list_and_nothing_else(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, ANN, BOB)
    before = klaviyo.account.audit
    report = klaviyo.audience_list().remove(target, [leaving(ANN)])
    assert report.outcomes == []
    assert klaviyo.emails(target) == {BOB}
    assert klaviyo.status(ANN) == "SUBSCRIBED"
    assert klaviyo.account.audit == before
    assert klaviyo.calls("bulk_unsubscribe_profiles") == []


def test_who_is_not_in_the_list_is_not_sent(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, ANN)
    klaviyo.seed({"email": BOB})
    assert klaviyo.audience_list().remove(target, [leaving(BOB), leaving(CID)]).outcomes == []
    assert klaviyo.calls(REMOVE) == []
    assert klaviyo.account.find(CID) is None


@pytest.mark.parametrize("status", [404, 0])
def test_a_profile_that_was_merged_meanwhile_is_looked_up_again(klaviyo: KlaviyoWorld, status: int) -> None:
    """With 404 the whole call is refused for one unknown id; with 0 the id is passed over."""
    klaviyo.account.switches.unknown_member_status = status
    target = list_with(klaviyo, ANN, BOB)
    klaviyo.seed({"phone_number": "+12025550123"})

    def merge(_: object) -> None:
        klaviyo.account.merge(ANN, "+12025550123")

    klaviyo.sandbox.faults.add(Fault(Action.HOOK_BEFORE, REMOVE, times=1, hook=merge))
    report = klaviyo.audience_list().remove(target, [leaving(ANN), leaving(BOB)])
    assert report.outcomes == []
    assert klaviyo.emails(target) == ({ANN} if status == 0 else set())


def test_an_import_of_an_earlier_sync_is_waited_for(klaviyo: KlaviyoWorld) -> None:
    """It was killed after its call. Removed first, the late import would bring Ann back for good."""
    target = klaviyo.make_list()
    klaviyo.account.switches.job_processing = 30
    klaviyo.audience_list()._client.start_import(target.id, [person(ANN)])
    report = klaviyo.audience_list().remove(target, [leaving(ANN)])
    assert report.outcomes == []
    assert klaviyo.emails(target) == set()


def test_a_removal_is_undecided_while_an_import_does_not_end(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.account.switches.job_processing = 3600
    klaviyo.audience_list()._client.start_import(target.id, [person(ANN)])
    impatient = klaviyo.audience_list(settings={"import_patience_seconds": 0})
    for call in (impatient.remove, impatient.add):
        with pytest.raises(Unavailable, match="still at work"):
            call(target, [leaving(ANN)])
    assert klaviyo.emails(target) == {ANN}
    assert klaviyo.audience_list().remove(target, [leaving(ANN)]).outcomes == []
    assert klaviyo.emails(target) == set()


@pytest.mark.parametrize("told", [True, False])
def test_imports_into_other_lists_are_nobodys_business(klaviyo: KlaviyoWorld, told: bool) -> None:
    """`told`: whether a listed job says which lists it is for; else each is asked."""
    target, other = list_with(klaviyo, ANN), klaviyo.make_list(name="Other")
    klaviyo.account.switches.job_processing = 3600
    client = klaviyo.audience_list()._client
    client.start_import(other.id, [person(BOB)])
    service = klaviyo.audience_list(settings={"import_patience_seconds": 0})
    if not told:
        service._client.unfinished_import_jobs = lambda: iter(  # type: ignore[method-assign]
            [{**job, "relationships": {}} for job in client.unfinished_import_jobs()]
        )
    assert service.remove(target, [leaving(ANN)]).outcomes == []
    assert (len(klaviyo.calls("get_list_ids_for_bulk_import_profiles_job")) == 0) is told


def test_no_removal_while_an_import_of_the_same_sync_is_at_work(klaviyo: KlaviyoWorld) -> None:
    """Batches run side by side. The removal begins while the import's answer is on its way, and waits."""
    target = list_with(klaviyo, BOB)
    service = klaviyo.audience_list()
    removal = threading.Thread(target=lambda: service.remove(target, [leaving(BOB)]))

    def begin(_: LoggedRequest | object) -> None:
        removal.start()

    klaviyo.sandbox.faults.add(Fault(Action.HOOK_AFTER, IMPORT, times=1, hook=begin))
    service.add(target, [email_member(ANN)])
    removal.join()
    assert klaviyo.emails(target) == {ANN}
    order = [entry.endpoint for entry in klaviyo.sandbox.requests]
    # The import is verified before anything of the removal happens.
    assert order.index(REMOVE) > order.index(LOOK_UP) > order.index(IMPORT)
    assert order.count(LOOK_UP) == 2


def test_an_address_that_changed_can_be_the_same_profile(klaviyo: KlaviyoWorld) -> None:
    """Somebody gave the profile its new address at Klaviyo already: the old one is in no list, so nothing is sent."""
    target = list_with(klaviyo, ANN)
    service = klaviyo.audience_list()
    found = klaviyo.account.find(ANN)
    assert found is not None
    klaviyo.account.profiles.identify(found, "email", BOB)
    assert service.remove(target, [leaving(ANN)]).outcomes == []
    service.add(target, [email_member(BOB)])
    assert klaviyo.emails(target) == {BOB}


def test_a_large_removal_is_cut_and_a_refused_part_found(klaviyo: KlaviyoWorld) -> None:
    people = [f"p{number}@example.com" for number in range(1000)]
    target = list_with(klaviyo, *people)
    service = klaviyo.audience_list()
    expected = service.estimate(adds=0, updates=0, removes=1000)
    report = service.remove(target, [leaving(each) for each in people])
    assert (report.outcomes, klaviyo.emails(target)) == ([], set())
    assert report.calls <= sum(each.calls for each in expected)


def test_an_outage_in_between_leaves_the_rest_to_the_next_sync(klaviyo: KlaviyoWorld) -> None:
    target = list_with(klaviyo, ANN, BOB)
    klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, REMOVE))
    assert statuses(klaviyo.audience_list().remove(target, [leaving(ANN), leaving(BOB)])) == {
        ANN: Status.RETRY,
        BOB: Status.RETRY,
    }


def test_the_estimate_counts_what_a_large_load_takes(klaviyo: KlaviyoWorld) -> None:
    plain = klaviyo.audience_list()
    calls = {each.endpoint.name: each.calls for each in plain.estimate(adds=1_000_000, updates=0, removes=10_000)}
    assert calls == {
        "get_import_jobs": 501,
        "import_profiles": 500,
        "get_list_profiles": 600,
        "remove_members": 10,
    }
    # 500 imports at 150 a minute.
    assert 180 <= floor_seconds(plain.estimate(adds=1_000_000, updates=0, removes=0)) <= 190
    numbers = klaviyo.audience_list(identifiers=("email", "phone"))
    assert numbers.import_seconds(adds=1_000_000, updates=0) > plain.import_seconds(adds=1_000_000, updates=0)
    assert plain.import_seconds(adds=1, updates=0) == 0
    assert Operation.ADD in Operation


def person(email: str) -> dict[str, Any]:
    return {"type": "profile", "attributes": {"email": email}}

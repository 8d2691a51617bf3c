"""Who leaves a Dotdigital list: taken off it, never out of the account, and nobody else."""

from __future__ import annotations

import pytest

from audience_assets.destinations.base import ListMissing, Member, Status
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.dotdigital_world import (
    DotdigitalWorld,
    by_email,
    by_id,
    by_phone,
    dotdigital,
    statuses,
    vendor_ids,
)

__all__ = ["dotdigital"]

ANN, BOB, CID = "ann@shop-customers.com", "bob@shop-customers.com", "cid@shop-customers.com"


def seed(world: DotdigitalWorld, list_id: str, *emails: str) -> list[int]:
    return world.account.add_contacts([{"email": email, "lists": [int(list_id)]} for email in emails])


def test_a_removal_goes_by_contact_id_and_nobody_is_looked_up(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    ann, bob, _ = seed(dotdigital, target.id, ANN, BOB, CID)
    report = dotdigital.service().remove(target, [by_email(ANN, ann), by_email(BOB, bob)])
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    assert dotdigital.calls("remove_contacts") == [[ann, bob]]
    assert dotdigital.calls("get_contacts") == []
    assert dotdigital.emails(target) == {CID}


def test_who_left_the_list_stays_in_the_account_as_they_were(dotdigital: DotdigitalWorld) -> None:
    target, other = dotdigital.make_list(), dotdigital.make_list("Another list")
    lists = [int(target.id), int(other.id)]
    [ann] = dotdigital.account.add_contacts([{"email": ANN, "lists": lists}])
    dotdigital.service().remove(target, [by_email(ANN, ann)])
    assert dotdigital.status(ANN) == "subscribed"
    assert dotdigital.emails(other) == {ANN}
    assert dotdigital.account.audit == []
    assert {entry.endpoint for entry in dotdigital.sandbox.requests if entry.method != "GET"} == {"remove_contacts"}


def test_who_has_no_id_is_found_in_the_list(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    ann, _ = seed(dotdigital, target.id, ANN, BOB)
    dotdigital.account.add_contacts([{"email": CID}])
    report = dotdigital.service().remove(target, [by_email(ANN), by_email(CID), by_email("dan@shop-customers.com")])
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    assert dotdigital.calls("remove_contacts") == [[ann]]
    assert dotdigital.emails(target) == {BOB}


def test_few_are_looked_up_one_by_one_where_the_list_is_long(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    everybody = seed(dotdigital, target.id, *(f"person{number}@example.com" for number in range(5002)))
    dotdigital.account.add_contacts([{"email": CID}])
    report = dotdigital.service().remove(target, [by_email("person7@example.com")])
    assert statuses(report) == {"person7@example.com": Status.ACCEPTED}
    assert dotdigital.calls("remove_contacts") == [[everybody[7]]]
    dotdigital.service().remove(target, [by_email(CID)])
    assert len(dotdigital.calls("remove_contacts")) == 1
    assert dotdigital.calls("get_contacts") == []


def test_numbers_and_ids_leave_as_well(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    rows = [{"mobile": f"44740012345{number}", "lists": [int(target.id)]} for number in range(3)]
    ids = dotdigital.account.add_contacts(rows)
    dotdigital.service(identifier="phone").remove(target, [by_phone("+447400123450")])
    dotdigital.service(identifier="contact_id").remove(target, [by_id(ids[1])])
    assert dotdigital.numbers(target) == {"447400123452"}


def test_an_address_that_never_could_be_sent_needs_no_call(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    report = dotdigital.service().remove(target, [Member("bad", {"email": "no address"})])
    assert statuses(report) == {"bad": Status.ACCEPTED}
    assert dotdigital.writes() == 0


@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_who_unsubscribed_from_the_list_is_left_as_they_are(
    dotdigital: DotdigitalWorld, known: bool, forgets: bool
) -> None:
    dotdigital.switches.removal_forgets_opt_out = forgets
    dotdigital.switches.add_lifts_list_opt_out = True
    target = dotdigital.make_list()
    ann, bob = seed(dotdigital, target.id, ANN, BOB)
    dotdigital.account.leave_list(ANN, target.id)
    members = [by_email(ANN, ann if known else None), by_email(BOB, bob if known else None)]
    report = dotdigital.service().remove(target, members)
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    assert dotdigital.calls("remove_contacts") == [[bob]]
    # They enter the segment again.
    assert statuses(dotdigital.service().add(target, [by_email(ANN)])) == {ANN: Status.REJECTED}
    assert dotdigital.emails(target) == set()


def test_who_came_back_to_the_list_leaves_it_with_the_segment(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    [ann] = seed(dotdigital, target.id, ANN)
    dotdigital.account.leave_list(ANN, target.id)
    dotdigital.account.come_back(ANN, target.id)
    dotdigital.service().remove(target, [by_email(ANN, ann)])
    assert dotdigital.emails(target) == set()


def test_a_removal_that_did_nothing_is_noticed(dotdigital: DotdigitalWorld, caplog: pytest.LogCaptureFixture) -> None:
    target = dotdigital.make_list()
    ann, bob = seed(dotdigital, target.id, ANN, BOB)
    members = [by_email(ANN, ann), by_email(BOB, bob)]
    dotdigital.sandbox.faults.add(Fault(Action.NOT_APPLIED, "remove_contacts", times=1))
    assert set(statuses(dotdigital.service().remove(target, members)).values()) == {Status.RETRY}
    assert "still in the list" in caplog.text
    assert set(statuses(dotdigital.service().remove(target, members)).values()) == {Status.ACCEPTED}
    assert dotdigital.emails(target) == set()


def test_who_is_seen_in_the_list_after_a_removal_is_decided_anew(dotdigital: DotdigitalWorld) -> None:
    """Somebody else put them in again meanwhile, say: the others have left all the same."""
    target = dotdigital.make_list()
    ann, bob, cid = seed(dotdigital, target.id, ANN, BOB, CID)
    [held] = dotdigital.account.lists

    def put_back(_: object) -> None:
        held.add(cid, lifts_opt_out=False)

    dotdigital.sandbox.faults.add(Fault(Action.HOOK_BEFORE, "get_contact", times=1, hook=put_back))
    members = [by_email(ANN, ann), by_email(BOB, bob), by_email(CID, cid)]
    report = dotdigital.service().remove(target, members)
    assert statuses(report) == {ANN: Status.ACCEPTED, BOB: Status.ACCEPTED, CID: Status.RETRY}


def test_a_failed_removal_decides_nothing(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    [ann] = seed(dotdigital, target.id, ANN)
    dotdigital.account.failing_jobs = 1
    assert statuses(dotdigital.service().remove(target, [by_email(ANN, ann)])) == {ANN: Status.RETRY}


@pytest.mark.parametrize("refuses", [True, False])
def test_a_contact_that_is_gone_hinders_nobody(dotdigital: DotdigitalWorld, refuses: bool) -> None:
    dotdigital.switches.refuse_unknown_removals = refuses
    target = dotdigital.make_list()
    ids = seed(dotdigital, target.id, *(f"person{number}@example.com" for number in range(9)))
    members = [by_email(f"person{number}@example.com", ids[number]) for number in range(9)]
    gone = by_email(CID, ids[-1] + 100)
    report = dotdigital.service().remove(target, [*members[:4], gone, *members[4:]])
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    assert dotdigital.emails(target) == set()


@pytest.mark.parametrize("pascal", [True, False])
def test_both_spellings_of_a_removals_status_are_read(dotdigital: DotdigitalWorld, pascal: bool) -> None:
    dotdigital.switches.removal_keys_in_pascal = pascal
    target = dotdigital.make_list()
    [ann] = seed(dotdigital, target.id, ANN)
    assert statuses(dotdigital.service().remove(target, [by_email(ANN, ann)])) == {ANN: Status.ACCEPTED}
    assert dotdigital.emails(target) == set()


def test_the_ids_of_reports_are_those_of_removals(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    added = dotdigital.service().add(target, [by_email(ANN), by_email(BOB)])
    dotdigital.service().remove(target, [by_email(ANN, vendor_ids(added)[ANN])])
    assert dotdigital.emails(target) == {BOB}


def test_a_deleted_list_is_missing_also_for_known_ids(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    [ann] = seed(dotdigital, target.id, ANN)
    found = dotdigital.account.find_list(int(target.id))
    assert found is not None
    dotdigital.account.remove_list(found)
    with pytest.raises(ListMissing):
        dotdigital.service().remove(target, [by_email(ANN, ann)])


@pytest.mark.parametrize("shows", [True, False])
def test_members_are_those_who_did_not_unsubscribe(dotdigital: DotdigitalWorld, shows: bool) -> None:
    dotdigital.switches.list_filter_shows_suppressed = shows
    target = dotdigital.make_list()
    ann, _ = seed(dotdigital, target.id, ANN, BOB)
    dotdigital.account.add_contacts([{"mobile": "447400123451", "lists": [int(target.id)]}])
    dotdigital.account.leave_list(BOB, target.id)
    found = list(dotdigital.service().members(target))
    assert found[0].identifiers == {"contact_id": str(ann), "email": ANN, "phone": None}
    assert found[1].identifiers["phone"] == "+447400123451"
    assert len(found) == 2

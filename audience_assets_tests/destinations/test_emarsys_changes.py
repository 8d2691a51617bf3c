"""Entering and leaving an Emarsys contact list: who is added, absent, rejected, and taken out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from audience_assets.destinations.base import ListMissing, Member, Misconfigured, Recheck
from audience_assets.destinations.emarsys.row_errors import read_row_errors
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.emarsys_world import EmarsysWorld, emarsys, emarsys_world, outcomes, reader

__all__ = ["emarsys"]

ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"
ADD, REMOVE = "addContactsToContactList", "removeContactsFromContactList"
CHECK, QUERY = "verifyContactInternalIdentifiers", "listContactData"


def switched(**switches: Any) -> AbstractContextManager[EmarsysWorld]:
    return emarsys_world(**switches)


def test_one_call_adds_known_contacts_by_email(emarsys: EmarsysWorld) -> None:
    emarsys.know(ANN, BOB)
    target = emarsys.make_list()
    report = emarsys.service().add(target, [reader(" Ann@Example.com "), reader(BOB)])
    assert outcomes(report) == {ANN: "accepted", BOB: "accepted"}
    assert report.calls == 1
    assert emarsys.calls(ADD) == [{"key_id": "3", "external_ids": [ANN, BOB]}]
    assert emarsys.listed(target) == [ANN, BOB]


def test_unknown_people_are_absent_and_nobody_is_created(emarsys: EmarsysWorld) -> None:
    emarsys.know(ANN)
    target, service = emarsys.make_list(), emarsys.service()
    assert outcomes(service.add(target, [reader(ANN), reader(BOB)])) == {ANN: "accepted", BOB: "absent"}
    assert len(emarsys.account.contacts) == 1
    emarsys.know(BOB)
    assert outcomes(service.add(target, [reader(BOB)])) == {BOB: "accepted"}
    assert emarsys.listed(target) == [ANN, BOB]


def test_who_leaves_stays_a_contact(emarsys: EmarsysWorld) -> None:
    emarsys.know(ANN, BOB)
    target, service = emarsys.make_list(), emarsys.service()
    emarsys.account.set_opt_in(ANN, True)
    service.add(target, [reader(ANN), reader(BOB)])
    report = service.remove(target, [reader(ANN), reader(CID)])
    assert outcomes(report) == {ANN: "accepted", CID: "accepted"}, "unknown people are in no list"
    assert emarsys.listed(target) == [BOB]
    assert len(emarsys.account.contacts) == 2
    assert not emarsys.account.opted_out(ANN)


def test_an_update_is_a_membership_again(emarsys: EmarsysWorld) -> None:
    emarsys.know(ANN)
    target = emarsys.make_list()
    assert outcomes(emarsys.service().update(target, [reader(ANN)])) == {ANN: "accepted"}
    assert emarsys.listed(target) == [ANN]


def test_no_address_is_rejected_and_not_sent(emarsys: EmarsysWorld) -> None:
    emarsys.know(ANN)
    broken = Member("ann", {"email": "ann at example.com"})
    report = emarsys.service().add(emarsys.make_list(), [reader(ANN), broken])
    assert outcomes(report) == {ANN: "accepted", "ann": "rejected: invalid_email"}
    assert emarsys.calls(ADD)[0]["external_ids"] == [ANN]
    assert emarsys.service().add(emarsys.make_list("Empty"), []).calls == 0


def test_a_refused_address_is_rejected_until_it_changes(emarsys: EmarsysWorld) -> None:
    emarsys.know(ANN, BOB)
    emarsys.account.refused.add(BOB)
    report = emarsys.service().add(emarsys.make_list(), [reader(ANN), reader(BOB)])
    assert outcomes(report) == {ANN: "accepted", BOB: "rejected: invalid_email"}
    issue = report.outcomes[1].issues[0]
    assert (issue.channel, issue.recheck) == ("email", Recheck.WHEN_CHANGED)


class TestSharedAddresses:
    """Several contacts with one address: Emarsys adds and removes none of them by it (2010)."""

    @pytest.fixture(params=[True, False], ids=["ids in bulk", "ids one by one"])
    def shared(self, request: pytest.FixtureRequest) -> Iterator[EmarsysWorld]:
        with switched(multiple_ids=request.param) as world:
            world.know(ANN, BOB, BOB)
            yield world

    def test_they_are_rejected_and_tried_again(self, shared: EmarsysWorld) -> None:
        target = shared.make_list()
        report = shared.service().add(target, [reader(ANN), reader(BOB)])
        assert outcomes(report) == {ANN: "accepted", BOB: "rejected: several_contacts"}
        issue = report.outcomes[1].issues[0]
        assert issue.recheck is Recheck.NEXT_SYNC, "the contacts may be merged there"
        assert BOB not in str(issue)
        assert shared.listed(target) == [ANN]

    def test_or_all_of_them_are_added(self, shared: EmarsysWorld) -> None:
        target = shared.make_list()
        service = shared.service(duplicates="add_all")
        assert set(outcomes(service.add(target, [reader(ANN), reader(BOB)])).values()) == {"accepted"}
        assert shared.listed(target) == [ANN, BOB, BOB]
        assert outcomes(service.remove(target, [reader(BOB)])) == {BOB: "accepted"}
        assert shared.listed(target) == [ANN]

    def test_an_address_that_became_shared_can_leave(self, shared: EmarsysWorld) -> None:
        target, service = shared.make_list(), shared.service()
        service.add(target, [reader(ANN)])
        shared.know(ANN)
        assert outcomes(service.remove(target, [reader(ANN)])) == {ANN: "accepted"}
        assert shared.listed(target) == []

    def test_looking_them_up_adds_nobody(self, shared: EmarsysWorld) -> None:
        shared.service(duplicates="add_all").add(shared.make_list(), [reader(BOB)])
        bodies = shared.calls(CHECK)
        assert bodies
        assert all(set(body) == {"key_id", "external_ids", "get_multiple_ids"} for body in bodies)

    @pytest.mark.parametrize("call", [CHECK, ADD])
    def test_an_outage_on_the_way_leaves_them_open(self, shared: EmarsysWorld, call: str) -> None:
        target, service = shared.make_list(), shared.service(duplicates="add_all")
        # Of the calls that add, the first one is by address.
        shared.sandbox.faults.add(Fault(Action.ERROR_BEFORE, call, calls=range(2 if call == ADD else 1, 99)))
        assert outcomes(service.add(target, [reader(ANN), reader(BOB)])) == {ANN: "accepted", BOB: "retry"}
        shared.sandbox.faults.clear()
        assert outcomes(service.add(target, [reader(BOB)])) == {BOB: "accepted"}
        assert shared.listed(target) == [ANN, BOB, BOB]

    @pytest.mark.parametrize(("operation", "expected"), [("add", "absent"), ("remove", "accepted")])
    def test_who_vanishes_meanwhile_is_unknown(self, shared: EmarsysWorld, operation: str, expected: str) -> None:
        def vanish(_request: object) -> None:
            shared.account.delete_contacts(BOB)

        shared.sandbox.faults.add(Fault(Action.HOOK_AFTER, CHECK, hook=vanish))
        shared.sandbox.faults.add(Fault(Action.HOOK_AFTER, QUERY, hook=vanish))
        service = shared.service(duplicates="add_all")
        report = getattr(service, operation)(shared.make_list(), [reader(BOB)])
        assert outcomes(report) == {BOB: expected}


class TestCapitals:
    """An account that tells capitals apart, which Emarsys neither confirms nor denies."""

    @pytest.fixture
    def strict(self) -> Iterator[EmarsysWorld]:
        with switched(emails_fold_case=False) as world:
            world.know("Ann@Example.com", BOB)
            yield world

    def test_by_default_only_lower_case_is_found(self, strict: EmarsysWorld) -> None:
        report = strict.service().add(strict.make_list(), [reader("Ann@Example.com"), reader(BOB)])
        assert outcomes(report) == {ANN: "absent", BOB: "accepted"}

    def test_the_warehouses_spelling_is_tried_first_and_then_lower_case(self, strict: EmarsysWorld) -> None:
        strict.email_case = "as_written"
        target = strict.make_list()
        people = [reader("Ann@Example.com"), reader("BOB@example.com"), reader("Cid@example.com")]
        report = strict.service().add(target, people)
        assert outcomes(report) == {ANN: "accepted", BOB: "accepted", CID: "absent"}
        sent = [body["external_ids"] for body in strict.calls(ADD)]
        assert sent == [["Ann@Example.com", "BOB@example.com", "Cid@example.com"], [BOB, CID]]
        assert strict.listed(target) == ["Ann@Example.com", BOB]

    def test_who_leaves_is_taken_out_in_every_spelling(self, strict: EmarsysWorld) -> None:
        strict.email_case = "as_written"
        target, service = strict.make_list(), strict.service()
        service.add(target, [reader("Ann@Example.com")])
        leaver = reader("ANN@example.com")
        leaver.previous = {"email": "Ann@Example.com"}
        assert outcomes(service.remove(target, [leaver])) == {ANN: "accepted"}
        assert strict.listed(target) == []

    def test_two_contacts_whose_addresses_differ_in_capitals_are_two(self, strict: EmarsysWorld) -> None:
        strict.email_case = "as_written"
        strict.know(ANN)
        target = strict.make_list()
        strict.service().add(target, [reader("Ann@Example.com")])
        assert strict.listed(target) == ["Ann@Example.com"]


class TestRespelling:
    """The warehouse writes an address anew, in an account that tells capitals apart or in one that does not."""

    @pytest.fixture(params=[True, False], ids=["capitals fold", "capitals matter"])
    def world(self, request: pytest.FixtureRequest) -> Iterator[EmarsysWorld]:
        with switched(emails_fold_case=request.param) as made:
            made.email_case = "as_written"
            yield made

    def respelled(self) -> Member:
        member = reader("ANN@example.com")
        member.previous = {"email": "Ann@Example.com"}
        return member

    def test_the_contact_of_the_new_spelling_takes_the_place_of_the_old_one(self, world: EmarsysWorld) -> None:
        world.know("Ann@Example.com")
        target, service = world.make_list(), world.service()
        service.add(target, [reader("Ann@Example.com")])
        report = service.update(target, [self.respelled()])
        folds = world.switches.emails_fold_case
        # Where capitals matter, nobody has the new address.
        assert outcomes(report) == {ANN: "accepted" if folds else "absent"}
        assert world.listed(target) == (["Ann@Example.com"] if folds else [])

    def test_of_two_contacts_the_right_one_stays(self) -> None:
        with switched(emails_fold_case=False) as world:
            world.email_case = "as_written"
            world.know("Ann@Example.com", "ANN@example.com")
            target, service = world.make_list(), world.service()
            service.add(target, [reader("Ann@Example.com")])
            report = service.update(target, [self.respelled()])
            assert outcomes(report) == {ANN: "accepted"}
            expected = sum(each.calls for each in service.estimate(adds=0, updates=1, removes=0))
            assert report.calls <= expected
            assert world.listed(target) == ["ANN@example.com"]
            service.remove(target, [reader("ANN@example.com")])
            assert world.listed(target) == []

    def test_an_outage_leaves_it_open(self, world: EmarsysWorld) -> None:
        world.know("Ann@Example.com")
        target, service = world.make_list(), world.service()
        world.sandbox.faults.add(Fault(Action.ERROR_BEFORE, CHECK))
        assert outcomes(service.update(target, [self.respelled()])) == {ANN: "retry"}


@pytest.mark.parametrize("refuse", ["all", "any"])
def test_a_call_refused_for_unknown_people_is_looked_into_and_not_taken_apart(refuse: str) -> None:
    strangers = [f"stranger{number}@example.com" for number in range(50)]
    with switched(refuse_unknown=refuse) as world:
        target, service = world.make_list(), world.service()
        report = service.add(target, [reader(each) for each in strangers])
        assert set(outcomes(report).values()) == {"absent"}
        world.know(ANN, BOB)
        report = service.add(target, [reader(each) for each in (ANN, *strangers, BOB)])
        assert {name for name, status in outcomes(report).items() if status == "accepted"} == {ANN, BOB}
        assert world.listed(target) == [ANN, BOB]
        assert len(world.calls(ADD)) + len(world.calls(CHECK)) <= 5
        report = service.remove(target, [reader(each) for each in (ANN, *strangers)])
        assert set(outcomes(report).values()) == {"accepted"}
        assert world.listed(target) == [BOB]


@pytest.mark.parametrize("switches", [{"list_change_cap": 20}, {"max_body_bytes": 700}])
def test_a_smaller_cap_than_ours_splits_the_batch(switches: dict[str, Any]) -> None:
    people = [f"person{number}@example.com" for number in range(100)]
    with switched(**switches) as world:
        world.know(*people)
        target, service = world.make_list(), world.service()
        members = [reader(email) for email in people]
        assert set(outcomes(service.add(target, members)).values()) == {"accepted"}
        assert world.listed(target) == people
        assert set(outcomes(service.remove(target, members)).values()) == {"accepted"}
        assert world.listed(target) == []


@pytest.mark.parametrize("status", [400, 404])
def test_a_list_that_is_gone_is_missing_however_it_is_said(status: int) -> None:
    with switched(unknown_list_is_404=status == 404) as world:
        world.know(ANN)
        target = world.make_list()
        world.account.delete_list(world.account.list_named(target.name))
        for call in (world.service().add, world.service().remove):
            with pytest.raises(ListMissing):
                call(target, [reader(ANN)])


def test_values_repeated_in_another_form_are_told_apart_one_by_one() -> None:
    with switched(values_told="quoted") as world:
        world.know(ANN, BOB)
        target, service = world.make_list(), world.service()
        report = service.add(target, [reader(ANN), reader(CID), reader(BOB)])
        assert outcomes(report) == {ANN: "accepted", CID: "absent", BOB: "accepted"}
        assert world.listed(target) == [ANN, BOB]


@pytest.mark.parametrize(
    "errors",
    [
        {"Ann@Example.com": {"2008": "No contact found"}},
        [{"key": "ann@example.com", "errorCode": "2008", "errorMsg": "No contact found"}],
        [{"key": "ann@example.com", "errorCode": 2008, "errorMsg": "No contact found"}],
    ],
)
def test_row_errors_are_read_in_each_shape(errors: Any) -> None:
    assert read_row_errors(errors).of(ANN) == {2008}
    assert not read_row_errors(errors).of(BOB)
    assert read_row_errors(errors).strays([BOB])


@pytest.mark.parametrize("nothing", [[], {}, None, ""])
def test_no_row_errors_are_read_in_each_shape(nothing: Any) -> None:
    assert read_row_errors(nothing).codes == {}


def test_a_refused_key_is_about_every_row() -> None:
    with pytest.raises(Misconfigured):
        read_row_errors({ANN: {"2004": "Invalid key field id: 3"}})

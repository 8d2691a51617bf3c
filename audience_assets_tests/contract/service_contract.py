"""What every destination service owes the engine, whatever the vendor. One test class inherits it for each service.

A vendor's test writes a `Vendor` (a small adapter to its sandbox) and a fixture `vendor` that returns a fresh one:

    class TestSubscriptionList(ServiceContract):
        @pytest.fixture
        def vendor(self, ...) -> Vendor: ...
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import pytest

from audience_assets.destinations.base import (
    ListMissing,
    ListRef,
    ListService,
    Member,
    Misconfigured,
    Operation,
    Report,
    Status,
    Throttled,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.limits import floor_seconds

LIST_NAME = "Spring readers"


class Vendor(Protocol):
    """A vendor's sandbox as these tests need it. Nothing sleeps: waiting moves the sandbox's clock."""

    @property
    def service(self) -> ListService:
        """A service for one sync."""
        ...

    creates_contacts: bool
    batch_sizes: dict[Operation, int]

    def member(self, number: int) -> Member:
        """A member of the audience. The vendor knows the contact only if `know` was told."""
        ...

    def know(self, members: Collection[Member]) -> None:
        """Make contacts of these at the vendor, in no list, who never opted in or out."""
        ...

    def spoil(self, members: Collection[Member]) -> None:
        """From now on the vendor refuses the rows of these in calls that add."""
        ...

    def opt_out(self, member: Member) -> None:
        """The person opts out at the vendor."""
        ...

    def opted_out(self, member: Member) -> bool: ...

    def listed(self, target: ListRef) -> set[str]:
        """Ledger identifiers of everybody in the list, once everything accepted has taken effect."""
        ...

    def writes(self) -> int:
        """Calls so far that change something."""
        ...

    def throttle(self, *, times: int, retry_after: int) -> None: ...

    def fail(self, *, times: int | None) -> None:
        """Answer the next calls with a server error before anything is done; None: all."""
        ...

    def reset(self, *, times: int) -> None:
        """Cut the next connections before anything is done."""
        ...

    def lose_answers(self, operation: Operation, *, times: int) -> None:
        """Carry the next write calls of the operation out and cut the connection instead of answering."""
        ...

    def waited(self) -> float:
        """Seconds on the clock since the test began."""
        ...

    def create_list(self, name: str) -> None: ...

    def delete_list(self, target: ListRef) -> None: ...

    def with_bad_key(self) -> ListService: ...


def statuses(report: Report, members: Collection[Member]) -> dict[str, Status]:
    """Status by identifier; a member without an outcome was accepted."""
    given = {outcome.identifier: outcome.status for outcome in report.outcomes}
    assert set(given) <= {member.identifier for member in members}
    return {member.identifier: given.get(member.identifier, Status.ACCEPTED) for member in members}


def identifiers(members: Collection[Member]) -> set[str]:
    return {member.identifier for member in members}


class ServiceContract:
    """See the module."""

    @pytest.fixture
    def target(self, vendor: Vendor) -> ListRef:
        return vendor.service.ensure_list(LIST_NAME)

    @pytest.fixture
    def people(self, vendor: Vendor) -> list[Member]:
        members = [vendor.member(number) for number in range(5)]
        vendor.know(members)
        return members

    def test_add_puts_known_contacts_into_the_list(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        report = vendor.service.add(target, people)
        assert set(statuses(report, people).values()) == {Status.ACCEPTED}
        assert report.calls > 0
        assert vendor.listed(target) == identifiers(people)

    def test_adding_again_changes_nothing(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        vendor.service.add(target, people)
        vendor.listed(target)
        report = vendor.service.add(target, people)
        assert set(statuses(report, people).values()) == {Status.ACCEPTED}
        assert vendor.listed(target) == identifiers(people)

    def test_remove_takes_out_of_the_list(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        vendor.service.add(target, people)
        vendor.listed(target)
        gone, stay = people[:2], people[2:]
        report = vendor.service.remove(target, gone)
        assert set(statuses(report, gone).values()) == {Status.ACCEPTED}
        assert vendor.listed(target) == identifiers(stay)
        assert not any(vendor.opted_out(member) for member in stay)

    def test_removing_again_changes_nothing(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        vendor.service.add(target, people)
        vendor.listed(target)
        vendor.service.remove(target, people[:2])
        vendor.listed(target)
        report = vendor.service.remove(target, people[:2])
        assert set(statuses(report, people[:2]).values()) == {Status.ACCEPTED}
        assert vendor.listed(target) == identifiers(people[2:])

    def test_removing_who_is_not_in_the_list_does_not_touch_them(
        self, vendor: Vendor, target: ListRef, people: list[Member]
    ) -> None:
        stranger = vendor.member(99)
        report = vendor.service.remove(target, [*people, stranger])
        assert set(statuses(report, [*people, stranger]).values()) == {Status.ACCEPTED}
        assert not any(vendor.opted_out(member) for member in people)
        assert vendor.listed(target) == set()

    def test_an_unknown_contact_is_absent_or_made(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        stranger = vendor.member(99)
        report = vendor.service.add(target, [*people, stranger])
        expected = Status.ACCEPTED if vendor.creates_contacts else Status.ABSENT
        assert statuses(report, [*people, stranger])[stranger.identifier] is expected
        made = {stranger.identifier} if vendor.creates_contacts else set()
        assert vendor.listed(target) == identifiers(people) | made

    def test_who_opted_out_is_not_opted_in_again(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        vendor.opt_out(people[0])
        vendor.service.add(target, people)
        vendor.listed(target)
        assert vendor.opted_out(people[0])
        assert identifiers(people[1:]) <= vendor.listed(target)

    def test_bad_rows_are_rejected_with_a_reason_and_the_rest_gets_through(
        self, vendor: Vendor, target: ListRef, people: list[Member]
    ) -> None:
        bad, good = people[1:3], [people[0], *people[3:]]
        vendor.spoil(bad)
        report = vendor.service.add(target, people)
        found = statuses(report, people)
        assert {name for name, status in found.items() if status is Status.REJECTED} == identifiers(bad)
        issues = {o.identifier: o.issues for o in report.outcomes if o.status is Status.REJECTED}
        assert all(issue.reason for each in issues.values() for issue in each)
        assert vendor.listed(target) == identifiers(good)

    def test_a_429_is_waited_for(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        before = vendor.waited()
        vendor.throttle(times=2, retry_after=5)
        report = vendor.service.add(target, people)
        assert set(statuses(report, people).values()) == {Status.ACCEPTED}
        assert vendor.waited() - before >= 10
        assert vendor.listed(target) == identifiers(people)

    def test_passing_failures_are_not_noticed(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        for cause in (vendor.fail, vendor.reset):
            cause(times=2)
            report = vendor.service.add(target, people)
            assert set(statuses(report, people).values()) == {Status.ACCEPTED}
        assert vendor.listed(target) == identifiers(people)

    def test_a_lasting_outage_decides_nothing(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        vendor.fail(times=None)
        for call in (vendor.service.add, vendor.service.remove):
            try:
                report = call(target, people)
            except (Unavailable, Throttled):
                continue
            assert set(statuses(report, people).values()) == {Status.RETRY}

    @pytest.mark.parametrize("operation", [Operation.ADD, Operation.REMOVE])
    def test_a_lost_answer_does_no_harm(
        self, vendor: Vendor, target: ListRef, people: list[Member], operation: Operation
    ) -> None:
        if operation is Operation.REMOVE:
            vendor.service.add(target, people)
            vendor.listed(target)
        call = vendor.service.add if operation is Operation.ADD else vendor.service.remove
        vendor.lose_answers(operation, times=1)
        report = call(target, people)
        vendor.listed(target)
        undecided = {name for name, status in statuses(report, people).items() if status is Status.RETRY}
        if undecided:  # what the next sync does
            report = call(target, [member for member in people if member.identifier in undecided])
        assert set(statuses(report, people).values()) == {Status.ACCEPTED}
        assert vendor.listed(target) == (identifiers(people) if operation is Operation.ADD else set())

    def test_a_bad_key_stops_the_sync(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        service = vendor.with_bad_key()
        with pytest.raises(Unauthorized):
            service.add(target, people)
        assert any(not finding.ok for finding in service.check(LIST_NAME))

    def test_a_good_account_has_no_bad_findings(self, vendor: Vendor, target: ListRef) -> None:
        before = vendor.writes()
        findings = list(vendor.service.check(target.name))
        assert findings
        assert all(finding.ok for finding in findings), findings
        assert vendor.listed(target) == set()
        assert vendor.writes() - before <= 1, "at most the probe of the write permission"

    def test_a_deleted_list_is_missing(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        vendor.delete_list(target)
        with pytest.raises(ListMissing):
            vendor.service.get_list(target.id)
        with pytest.raises(ListMissing):
            vendor.service.add(target, people)
        with pytest.raises(ListMissing):
            vendor.service.remove(target, people)

    def test_a_list_of_the_name_is_adopted(self, vendor: Vendor) -> None:
        assert vendor.service.find_list(LIST_NAME) is None
        vendor.create_list(LIST_NAME)
        found = vendor.service.find_list(LIST_NAME)
        adopted = vendor.service.ensure_list(LIST_NAME)
        assert found is not None
        assert (adopted.id, adopted.name, adopted.created) == (found.id, LIST_NAME, False)
        assert vendor.service.get_list(adopted.id).name == LIST_NAME

    def test_a_list_is_created_once(self, vendor: Vendor) -> None:
        made = vendor.service.ensure_list(LIST_NAME)
        again = vendor.service.ensure_list(LIST_NAME)
        assert made.created
        assert not again.created
        assert made.id == again.id

    def test_two_lists_of_one_name_are_an_error(self, vendor: Vendor) -> None:
        vendor.create_list(LIST_NAME)
        try:
            vendor.create_list(LIST_NAME)
        except LookupError:
            pytest.skip("the vendor keeps names unique")
        with pytest.raises(Misconfigured):
            vendor.service.ensure_list(LIST_NAME)

    def test_members_are_streamed_over_all_pages(self, vendor: Vendor, target: ListRef) -> None:
        members = [vendor.member(number) for number in range(250)]
        vendor.know(members)
        size = vendor.batch_sizes[Operation.ADD]
        for start in range(0, len(members), size):
            vendor.service.add(target, members[start : start + size])
        vendor.listed(target)
        found = list(vendor.service.members(target))
        assert len(found) == len({member.vendor_id for member in found}) == 250
        # As the vendor writes them: the engine compares them in lower case.
        addresses = {value.lower() for member in found for value in member.identifiers.values() if value}
        assert identifiers(members) <= addresses

    def test_a_full_batch_gets_through(self, vendor: Vendor, target: ListRef) -> None:
        size = vendor.batch_sizes[Operation.ADD]
        members = [vendor.member(number) for number in range(size)]
        vendor.know(members)
        vendor.service.add(target, members)
        assert vendor.listed(target) == identifiers(members)
        size = vendor.batch_sizes[Operation.REMOVE]
        vendor.service.remove(target, members[:size])
        assert vendor.listed(target) == identifiers(members[size:])

    def test_the_estimate_covers_the_calls(self, vendor: Vendor, target: ListRef) -> None:
        size = min(vendor.batch_sizes.values())
        members = [vendor.member(number) for number in range(size)]
        vendor.know(members)
        for call, counts in (
            (vendor.service.add, {"adds": size, "updates": 0, "removes": 0}),
            (vendor.service.remove, {"adds": 0, "updates": 0, "removes": size}),
        ):
            expected = vendor.service.estimate(**counts)
            report = call(target, members)
            vendor.listed(target)
            assert 0 < report.calls <= sum(estimate.calls for estimate in expected)
            assert floor_seconds(expected) >= 0
        assert vendor.service.estimate(adds=0, updates=0, removes=0) == []

"""`iterable.contact_list` owes the engine what every service does, in each type of project and by each identifier."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from audience_assets.destinations.base import ListRef, ListService, Member, Operation, Status
from audience_assets.destinations.iterable.contact_list import BATCH_SIZES
from audience_assets.destinations.iterable.settings import EMAIL, HYBRID, USER_ID
from audience_assets.sandbox import Action, Fault
from audience_assets.sandbox.iterable import IterableSwitches
from audience_assets_tests.contract.service_contract import ServiceContract, Vendor
from audience_assets_tests.destinations.iterable_world import (
    SUBSCRIBE,
    UNSUBSCRIBE,
    IterableWorld,
    iterable,
    person,
)

__all__ = ["iterable"]

WRITES = {Operation.ADD: SUBSCRIBE, Operation.REMOVE: UNSUBSCRIBE}


class IterableVendor:
    """The Iterable sandbox behind the contract's adapter."""

    creates_contacts = False
    batch_sizes = BATCH_SIZES

    def __init__(self, world: IterableWorld, kind: str) -> None:
        self._world = world
        self._kind = kind
        self._began = world.clock.now()

    @property
    def service(self) -> ListService:
        return self._world.service(self._kind)

    def member(self, number: int) -> Member:
        return person(f"person{number}@example.com" if self._kind == EMAIL else f"u-{number}", self._kind)

    def know(self, members: Collection[Member]) -> None:
        name = "email" if self._kind == EMAIL else "userId"
        self._world.seed(*({name: member.identifier} for member in members))

    def spoil(self, members: Collection[Member]) -> None:
        """They are forgotten between our look-up and our write."""

        def forget(_request: object) -> None:
            for member in members:
                self._world.project.forget(member.identifier)

        self._world.sandbox.faults.add(Fault(Action.HOOK_BEFORE, SUBSCRIBE, times=1, hook=forget))

    def opt_out(self, member: Member) -> None:
        self._world.project.opt_out(member.identifier)

    def opted_out(self, member: Member) -> bool:
        return self._world.project.opted_out(member.identifier)

    def listed(self, target: ListRef) -> set[str]:
        return self._world.listed(target)

    def writes(self) -> int:
        return self._world.writes()

    def throttle(self, *, times: int, retry_after: int) -> None:
        self._world.sandbox.faults.add(Fault(Action.THROTTLE, times=times, retry_after=retry_after))

    def fail(self, *, times: int | None) -> None:
        self._world.sandbox.faults.add(Fault(Action.ERROR_BEFORE, times=times))

    def reset(self, *, times: int) -> None:
        self._world.sandbox.faults.add(Fault(Action.RESET_BEFORE, times=times))

    def lose_answers(self, operation: Operation, *, times: int) -> None:
        self._world.sandbox.faults.add(Fault(Action.RESET_AFTER, WRITES[operation], times=times))

    def waited(self) -> float:
        return self._world.clock.now() - self._began

    def create_list(self, name: str) -> None:
        self._world.make_list(name)

    def delete_list(self, target: ListRef) -> None:
        found = self._world.project.find_list(int(target.id))
        assert found is not None
        self._world.project.delete_list(found)

    def with_bad_key(self) -> ListService:
        return self._world.service(self._kind, settings={"api_key": "wrong"})


class TestEmailProject(ServiceContract):
    @pytest.fixture
    def vendor(self, iterable: IterableWorld) -> Vendor:
        return IterableVendor(iterable, EMAIL)


class TestHybridByAddress(ServiceContract):
    @pytest.fixture
    def vendor(self, iterable: IterableWorld) -> Vendor:
        return IterableVendor(iterable.of_type(HYBRID), EMAIL)


class TestHybridByUserId(ServiceContract):
    @pytest.fixture
    def vendor(self, iterable: IterableWorld) -> Vendor:
        return IterableVendor(iterable.of_type(HYBRID), USER_ID)


class TestUserIdProject(ServiceContract):
    @pytest.fixture
    def vendor(self, iterable: IterableWorld) -> Vendor:
        return IterableVendor(iterable.of_type(USER_ID), USER_ID)


def flip(switches: IterableSwitches) -> None:
    """The other position of everything that Iterable does not document, and effects that take their time."""
    switches.apply_delay = 3.0
    switches.echo = "lower"
    switches.conflict_names = "sent"
    switches.type_conflict = "row"
    switches.integers_fit_double = switches.creates_fields = False
    switches.unsubscribe_creates = switches.reads_share_limit = switches.send_retry_after = True
    switches.unknown_user_id = "code"
    switches.list_calls_per_second = None
    switches.tell_limit = False


class TestEmailProjectOtherwise(ServiceContract):
    @pytest.fixture
    def vendor(self, iterable: IterableWorld) -> Vendor:
        flip(iterable.switches)
        return IterableVendor(iterable, EMAIL)


class TestHybridOtherwise(ServiceContract):
    @pytest.fixture
    def vendor(self, iterable: IterableWorld) -> Vendor:
        flip(iterable.switches)
        return IterableVendor(iterable.of_type(HYBRID), USER_ID)


class TestEmailProjectByUserId:
    """The members of an email project are told by address, so that the rest of the contract can't be asked of it."""

    def test_adding_and_removing(self, iterable: IterableWorld) -> None:
        vendor = IterableVendor(iterable, USER_ID)
        known, stranger = vendor.member(1), vendor.member(2)
        iterable.seed({"email": "p1@example.com", "userId": known.identifier})
        target = vendor.service.ensure_list("Readers")
        report = vendor.service.add(target, [known, stranger])
        assert [(o.identifier, o.status) for o in report.outcomes] == [(stranger.identifier, Status.ABSENT)]
        assert vendor.listed(target) == {"p1@example.com"}
        assert vendor.service.remove(target, [known, stranger]).outcomes == []
        assert vendor.listed(target) == set()
        assert iterable.people() == 1

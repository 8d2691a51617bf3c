"""`dotdigital.contact_list` owes the engine what every service does, whatever it matches people by."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from audience_assets.destinations.base import ListRef, ListService, Member, Operation
from audience_assets.destinations.dotdigital.contact_list import BATCH_SIZES
from audience_assets.sandbox import Action, Fault
from audience_assets.sandbox.dotdigital.contacts import FIRST_ID
from audience_assets_tests.contract.service_contract import ServiceContract, Vendor
from audience_assets_tests.destinations.dotdigital_world import (
    DotdigitalWorld,
    by_email,
    by_id,
    by_phone,
    dotdigital,
    flip,
)

__all__ = ["dotdigital"]

WRITES = {Operation.ADD: "import_contacts", Operation.REMOVE: "remove_contacts"}


class DotdigitalVendor:
    """The Dotdigital sandbox behind the contract's adapter, with members known by e-mail."""

    creates_contacts = True
    batch_sizes = BATCH_SIZES
    identifier = "email"

    def __init__(self, world: DotdigitalWorld) -> None:
        self.world = world
        self._began = world.clock.now()

    @property
    def service(self) -> ListService:
        """A new one each time: a service lives for one sync."""
        return self.world.service(identifier=self.identifier)

    def member(self, number: int) -> Member:
        return by_email(f"person{number}@example.com")

    def know(self, members: Collection[Member]) -> None:
        self.world.account.add_contacts([{"email": member.identifier} for member in members])

    def spoil(self, members: Collection[Member]) -> None:
        for member in members:
            self.world.account.import_failures[member.identifier.removeprefix("+")] = "blocker"

    def opt_out(self, member: Member) -> None:
        self.world.account.opt_out(member.identifier)

    def opted_out(self, member: Member) -> bool:
        return self.world.status(member.identifier) == "unsubscribed"

    def listed(self, target: ListRef) -> set[str]:
        return {email for email in self.world.emails(target) if email}

    def writes(self) -> int:
        return self.world.writes()

    def throttle(self, *, times: int, retry_after: int) -> None:
        self.world.sandbox.faults.add(Fault(Action.THROTTLE, times=times, retry_after=retry_after))

    def fail(self, *, times: int | None) -> None:
        self.world.sandbox.faults.add(Fault(Action.ERROR_BEFORE, times=times))

    def reset(self, *, times: int) -> None:
        self.world.sandbox.faults.add(Fault(Action.RESET_BEFORE, times=times))

    def lose_answers(self, operation: Operation, *, times: int) -> None:
        self.world.sandbox.faults.add(Fault(Action.RESET_AFTER, WRITES[operation], times=times))

    def waited(self) -> float:
        return self.world.clock.now() - self._began

    def create_list(self, name: str) -> None:
        self.world.make_list(name)

    def delete_list(self, target: ListRef) -> None:
        found = self.world.account.find_list(int(target.id))
        assert found is not None
        self.world.account.remove_list(found)

    def with_bad_key(self) -> ListService:
        return self.world.service(identifier=self.identifier, settings={"password": "another"})


class ByPhone(DotdigitalVendor):
    identifier = "phone"

    def member(self, number: int) -> Member:
        return by_phone(f"+4474001{number:05}")

    def know(self, members: Collection[Member]) -> None:
        rows = [{"mobile": member.identifier.removeprefix("+"), "sms_status": "subscribed"} for member in members]
        self.world.account.add_contacts(rows)

    def opt_out(self, member: Member) -> None:
        self.world.account.opt_out(member.identifier, "sms")

    def opted_out(self, member: Member) -> bool:
        found = self.world.account.find(member.identifier)
        return found is not None and found.sms_status == "unsubscribed"

    def listed(self, target: ListRef) -> set[str]:
        return {f"+{number}" for number in self.world.numbers(target) if number}


class ById(DotdigitalVendor):
    """Contact ids only match: nobody is created."""

    identifier = "contact_id"
    creates_contacts = False

    def member(self, number: int) -> Member:
        return by_id(FIRST_ID + number)

    def know(self, members: Collection[Member]) -> None:
        made = self.world.account.add_contacts([{"email": f"person{m.identifier}@example.com"} for m in members])
        assert [str(contact_id) for contact_id in made] == [member.identifier for member in members]

    def listed(self, target: ListRef) -> set[str]:
        self.world.account.finish_jobs()
        return {str(contact.id) for contact in self.world.account.members(target.id)}


class TestByEmail(ServiceContract):
    @pytest.fixture
    def vendor(self, dotdigital: DotdigitalWorld) -> Vendor:
        return DotdigitalVendor(dotdigital)


class TestByPhone(ServiceContract):
    @pytest.fixture
    def vendor(self, dotdigital: DotdigitalWorld) -> Vendor:
        return ByPhone(dotdigital)


class TestById(ServiceContract):
    @pytest.fixture
    def vendor(self, dotdigital: DotdigitalWorld) -> Vendor:
        return ById(dotdigital)


class TestByEmailOtherwise(ServiceContract):
    @pytest.fixture
    def vendor(self, dotdigital: DotdigitalWorld) -> Vendor:
        flip(dotdigital.switches)
        return DotdigitalVendor(dotdigital)


class TestByPhoneOtherwise(ServiceContract):
    @pytest.fixture
    def vendor(self, dotdigital: DotdigitalWorld) -> Vendor:
        flip(dotdigital.switches)
        return ByPhone(dotdigital)


class TestByIdOtherwise(ServiceContract):
    @pytest.fixture
    def vendor(self, dotdigital: DotdigitalWorld) -> Vendor:
        flip(dotdigital.switches)
        return ById(dotdigital)

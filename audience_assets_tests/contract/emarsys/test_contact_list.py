"""`emarsys.contact_list` owes the engine what every service does, whatever Emarsys does where it is not documented."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from audience_assets.destinations.base import ListRef, ListService, Member, Operation
from audience_assets.destinations.emarsys.contact_list import BATCH_SIZES
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.contract.service_contract import ServiceContract, Vendor
from audience_assets_tests.destinations.emarsys_world import EmarsysWorld, emarsys_world, reader
from audience_assets_tests.vendors.emarsys import ContactList

WRITES = {Operation.ADD: "addContactsToContactList", Operation.REMOVE: "removeContactsFromContactList"}
WRITING = {*WRITES.values(), "createContactList"}


class EmarsysVendor:
    """The Emarsys sandbox behind the contract's adapter."""

    creates_contacts = False
    batch_sizes = BATCH_SIZES

    def __init__(self, world: EmarsysWorld) -> None:
        self._world = world
        self._began = world.clock.now()

    @property
    def service(self) -> ListService:
        """A new one each time: a service lives for one sync."""
        return self._world.service()

    def member(self, number: int) -> Member:
        return reader(f"Person{number}@example.com" if number % 2 else f"person{number}@example.com")

    def know(self, members: Collection[Member]) -> None:
        self._world.know(*(member.values["email"] for member in members))

    def spoil(self, members: Collection[Member]) -> None:
        """Each address comes to be shared by a second contact, and then Emarsys adds neither."""
        self.know(members)

    def opt_out(self, member: Member) -> None:
        self._world.account.set_opt_in(member.identifier, False)

    def opted_out(self, member: Member) -> bool:
        return self._world.account.opted_out(member.identifier)

    def listed(self, target: ListRef) -> set[str]:
        return {email.lower() for email in self._world.listed(target) if email}

    def writes(self) -> int:
        entries = self._world.sandbox.requests
        return sum(entry.endpoint in WRITING and b'"replyCode":0,' in (entry.answer or b"") for entry in entries)

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
        self._world.account.create_list(name)

    def delete_list(self, target: ListRef) -> None:
        found = self._world.account.find_list(int(target.id))
        assert found is not None
        self._world.account.delete_list(found)

    def with_bad_key(self) -> ListService:
        secret = {"client_secret": "wrong"} if self._world.version == "v3" else {"user_secret": "wrong"}
        return self._world.service(secret)


@dataclass(frozen=True)
class Position:
    """One way Emarsys may be, and how our settings answer it."""

    name: str
    switches: dict[str, Any] = field(default_factory=dict)
    version: str = "v3"
    email_case: str = "lower"


POSITIONS = (
    Position("as documented"),
    Position("X-WSSE", version="v2"),
    Position("capitals matter", {"emails_fold_case": False}, email_case="as_written"),
    Position(
        "the other way everywhere",
        {**ContactList.otherwise},
        email_case="as_written",
    ),
    Position("always HTTP 200, and one unknown contact refuses a call", {"always_200": True, "refuse_unknown": "any"}),
)


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: position.name)
class TestContactList(ServiceContract):
    @pytest.fixture
    def vendor(self, position: Position) -> Iterator[Vendor]:
        with emarsys_world(**position.switches) as world:
            world.version, world.email_case = position.version, position.email_case
            yield EmarsysVendor(world)

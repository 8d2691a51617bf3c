"""`klaviyo.audience_list` owes the engine what every service does, with one import a batch and with two."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from audience_assets.destinations.base import ListRef, ListService, Member, Operation
from audience_assets.destinations.klaviyo.audience_list import BATCH_SIZES
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.contract.service_contract import ServiceContract, Vendor
from audience_assets_tests.destinations.klaviyo_world import KlaviyoWorld, email_member, flip, klaviyo

__all__ = ["klaviyo"]

WRITES = {Operation.ADD: "bulk_import_profiles", Operation.REMOVE: "remove_profiles_from_list"}


class AudienceListVendor:
    """The Klaviyo sandbox behind the contract's adapter."""

    creates_contacts = True
    batch_sizes = BATCH_SIZES
    identifiers: tuple[str, ...] = ("email",)

    def __init__(self, world: KlaviyoWorld) -> None:
        self.world = world
        self._began = world.clock.now()

    @property
    def service(self) -> ListService:
        """A new one each time: a service lives for one sync."""
        return self.world.audience_list(identifiers=self.identifiers)

    def member(self, number: int) -> Member:
        return email_member(f"person{number}@example.com")

    def know(self, members: Collection[Member]) -> None:
        self.world.seed(*({"email": member.identifier} for member in members))

    def spoil(self, members: Collection[Member]) -> None:
        for member in members:
            self.world.account.import_failures[member.identifier] = "The address looks fake."

    def opt_out(self, member: Member) -> None:
        self.world.account.opt_out(member.identifier)

    def opted_out(self, member: Member) -> bool:
        return self.world.status(member.identifier) == "UNSUBSCRIBED"

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
        self.world.make_list(name=name)

    def delete_list(self, target: ListRef) -> None:
        found = self.world.account.find_list(target.id)
        assert found is not None
        self.world.account.delete_list(found)

    def with_bad_key(self) -> ListService:
        return self.world.audience_list(settings={"api_key": "pk_wrong"})


class WithNumbers(AudienceListVendor):
    """Everybody also has a phone number and a key of the shop's."""

    identifiers = ("email", "phone", "external_id")

    def member(self, number: int) -> Member:
        email = f"person{number}@example.com"
        return email_member(email, phone=f"+1202555{number:04}", external_id=f"c-{number}")


class TestAudienceList(ServiceContract):
    @pytest.fixture
    def vendor(self, klaviyo: KlaviyoWorld) -> Vendor:
        return AudienceListVendor(klaviyo)


class TestWithFurtherIdentifiers(ServiceContract):
    @pytest.fixture
    def vendor(self, klaviyo: KlaviyoWorld) -> Vendor:
        return WithNumbers(klaviyo)


class TestAudienceListOtherwise(ServiceContract):
    @pytest.fixture
    def vendor(self, klaviyo: KlaviyoWorld) -> Vendor:
        flip(klaviyo.account.switches)
        return WithNumbers(klaviyo)

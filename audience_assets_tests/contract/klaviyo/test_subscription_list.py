"""`klaviyo.subscription_list` owes the engine what every service does."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from audience_assets.destinations.base import ListRef, ListService, Member, Operation, Status
from audience_assets.destinations.klaviyo.subscription_list import BATCH_SIZES
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.contract.service_contract import ServiceContract, Vendor, identifiers, statuses
from audience_assets_tests.destinations.klaviyo_world import KlaviyoWorld, email_member, flip, klaviyo

__all__ = ["klaviyo"]

WRITES = {Operation.ADD: "bulk_subscribe_profiles", Operation.REMOVE: "bulk_unsubscribe_profiles"}


class KlaviyoVendor:
    """The Klaviyo sandbox behind the contract's adapter."""

    creates_contacts = False
    batch_sizes = BATCH_SIZES

    def __init__(self, world: KlaviyoWorld) -> None:
        self._world = world
        self._began = world.clock.now()

    @property
    def service(self) -> ListService:
        """A new one each time: a service lives for one sync. Single opt-in, so that nobody has to confirm."""
        return self._world.service(opt_in_process="single_opt_in")

    def member(self, number: int) -> Member:
        return email_member(f"person{number}@example.com")

    def know(self, members: Collection[Member]) -> None:
        self._world.seed(*({"email": member.identifier} for member in members))

    def spoil(self, members: Collection[Member]) -> None:
        """Each turns out to be somebody else between our look-up and our write: the profile's id is gone."""

        def merge(_request: object) -> None:
            for number, member in enumerate(members):
                self._world.account.add_profiles([{"email": f"twin{number}@example.com"}])
                self._world.account.merge(member.identifier, f"twin{number}@example.com")

        self._world.sandbox.faults.add(Fault(Action.HOOK_BEFORE, WRITES[Operation.ADD], times=1, hook=merge))

    def opt_out(self, member: Member) -> None:
        self._world.account.opt_out(member.identifier)

    def opted_out(self, member: Member) -> bool:
        return self._world.status(member.identifier) == "UNSUBSCRIBED"

    def listed(self, target: ListRef) -> set[str]:
        return {email for email in self._world.emails(target) if email}

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
        self._world.make_list(name=name)

    def delete_list(self, target: ListRef) -> None:
        found = self._world.account.find_list(target.id)
        assert found is not None
        self._world.account.delete_list(found)

    def with_bad_key(self) -> ListService:
        return self._world.service(settings={"api_key": "pk_wrong"})


class TestSubscriptionList(ServiceContract):
    @pytest.fixture
    def vendor(self, klaviyo: KlaviyoWorld) -> Vendor:
        return KlaviyoVendor(klaviyo)


class TestSubscriptionListOtherwise(ServiceContract):
    @pytest.fixture
    def vendor(self, klaviyo: KlaviyoWorld) -> Vendor:
        flip(klaviyo.account.switches)
        return KlaviyoVendor(klaviyo)

    def test_bad_rows_are_rejected_with_a_reason_and_the_rest_gets_through(
        self, vendor: Vendor, target: ListRef, people: list[Member]
    ) -> None:
        """Whose id is gone is taken by the address in the row, so no row is bad."""
        vendor.spoil(people[1:3])
        report = vendor.service.add(target, people)
        assert set(statuses(report, people).values()) == {Status.ACCEPTED}
        assert identifiers([people[0], *people[3:]]) <= vendor.listed(target)

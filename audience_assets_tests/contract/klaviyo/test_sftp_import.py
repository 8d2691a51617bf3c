"""`klaviyo.sftp_import` owes the engine what every service does, as far as a file can. What it can't is said here."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from audience_assets.destinations.base import ListMissing, ListRef, ListService, Member, Operation, Status
from audience_assets.destinations.klaviyo.sftp_import import BATCH_SIZES
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.contract.gathered import Landed
from audience_assets_tests.contract.service_contract import ServiceContract, Vendor, identifiers, statuses
from audience_assets_tests.destinations.klaviyo_sftp_world import LIST_NAME, STRANGER, SftpWorld, person, sftp
from audience_assets_tests.destinations.klaviyo_world import flip

__all__ = ["sftp"]

WRITES = {Operation.ADD: "sftp_rename", Operation.REMOVE: "remove_profiles_from_list"}


class SftpVendor:
    """The Klaviyo sandbox and its SFTP host behind the contract's adapter."""

    creates_contacts = True
    batch_sizes = BATCH_SIZES

    def __init__(self, world: SftpWorld) -> None:
        self.world = world
        self._began = world.clock.now()

    @property
    def service(self) -> ListService:
        return Landed(self.world.service())

    def member(self, number: int) -> Member:
        return person(f"person{number}@example.com")

    def know(self, members: Collection[Member]) -> None:
        self.world.account.add_profiles({"email": member.identifier} for member in members)

    def spoil(self, members: Collection[Member]) -> None:
        for member in members:
            self.world.account.import_failures[member.identifier] = "The address looks fake."

    def opt_out(self, member: Member) -> None:
        self.world.account.opt_out(member.identifier)

    def opted_out(self, member: Member) -> bool:
        consent = self.world.account.consent(member.identifier)
        return consent is not None and consent.status == "UNSUBSCRIBED"

    def listed(self, target: ListRef) -> set[str]:
        return {email for email in self.world.emails(target.id) if email}

    def writes(self) -> int:
        reading = ("GET", "SFTP")
        renamed = self.world.calls("sftp_rename")
        return renamed + sum(entry.method not in reading for entry in self.world.sandbox.requests)

    def throttle(self, *, times: int, retry_after: int) -> None:
        self.world.sandbox.faults.add(Fault(Action.THROTTLE, "get_*", times=times, retry_after=retry_after))

    def fail(self, *, times: int | None) -> None:
        self.world.sandbox.faults.add(Fault(Action.ERROR_BEFORE, times=times))

    def reset(self, *, times: int) -> None:
        self.world.sandbox.faults.add(Fault(Action.RESET_BEFORE, times=times))

    def lose_answers(self, operation: Operation, *, times: int) -> None:
        self.world.sandbox.faults.add(Fault(Action.RESET_AFTER, WRITES[operation], times=times))

    def waited(self) -> float:
        return self.world.clock.now() - self._began

    def create_list(self, name: str) -> None:
        self.world.account.create_list(name)

    def delete_list(self, target: ListRef) -> None:
        found = self.world.account.find_list(target.id)
        assert found is not None
        self.world.account.delete_list(found)

    def with_bad_key(self) -> ListService:
        return Landed(self.world.service(settings={"sftp_private_key_file": self.world.key_file(STRANGER)}))


class TestSftpImport(ServiceContract):
    @pytest.fixture(params=["as documented", "otherwise"])
    def vendor(self, request: pytest.FixtureRequest, sftp: SftpWorld) -> Vendor:
        if request.param == "otherwise":
            flip(sftp.account.switches)
        return SftpVendor(sftp)

    def test_bad_rows_are_rejected_with_a_reason_and_the_rest_gets_through(
        self, vendor: Vendor, target: ListRef, people: list[Member]
    ) -> None:
        """Klaviyo tells of rows that fail by e-mail to the account alone, so here they count as delivered."""
        assert isinstance(vendor, SftpVendor)
        bad, good = people[1:3], [people[0], *people[3:]]
        vendor.spoil(bad)
        report = vendor.service.add(target, people)
        assert set(statuses(report, people).values()) == {Status.ACCEPTED}
        assert vendor.listed(target) == identifiers(good)
        told = vendor.world.results()[-1]
        assert (told.failed, told.failures[0]) == (2, (3, "The address looks fake."))

    def test_a_429_is_waited_for(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        """An SFTP host knows none. Taking people off the list is the API's part, and that does."""
        vendor.service.add(target, people)
        vendor.listed(target)
        before = vendor.waited()
        vendor.throttle(times=2, retry_after=5)
        vendor.service.remove(target, people)
        assert vendor.waited() - before >= 10
        assert vendor.listed(target) == set()

    def test_a_deleted_list_is_missing(self, vendor: Vendor, target: ListRef, people: list[Member]) -> None:
        """A file is taken all the same, and its rows fail. The engine asks for the list before every delivery."""
        vendor.delete_list(target)
        with pytest.raises(ListMissing):
            vendor.service.get_list(target.id)
        with pytest.raises(ListMissing):
            vendor.service.remove(target, people)

    @pytest.mark.parametrize("has_api", [True, False])
    def test_who_stays_in_the_list_is_told_of(self, sftp: SftpWorld, has_api: bool) -> None:
        """Where nobody can be taken off, leavers are no members of ours, and a reason says that the list has them."""
        without = sftp.service(settings={"api_key": None}, list_id="AbCdEf")
        service = Landed(sftp.service(leavers="keep") if has_api else without)
        target = service.ensure_list(LIST_NAME)
        report = service.remove(target, [person("ann@example.com")])
        assert [outcome.status for outcome in report.outcomes] == [Status.KEPT]
        assert [issue.reason for issue in report.outcomes[0].issues] == ["stays_in_list"]
        assert target.facts["leavers"] == "stay in the list"
        assert report.calls == 0

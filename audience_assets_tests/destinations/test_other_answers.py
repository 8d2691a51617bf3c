"""Answers of another form: an error inside a success, a list for an object, a proxy's page, nothing.

Whatever a vendor answers, it is one of the engine's errors, or people are left to the next sync; never a crash, and
never somebody who counts as delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from audience_assets.destinations.base import DestinationError, ListRef, ListService, Member, Report, Status
from audience_assets.sandbox import Action, Fault, Sandbox, VirtualClock
from audience_assets_tests.destinations import dotdigital_world, emarsys_world, iterable_world, klaviyo_world
from audience_assets_tests.destinations.dotdigital_world import DotdigitalWorld, dotdigital
from audience_assets_tests.destinations.emarsys_world import EmarsysWorld, emarsys
from audience_assets_tests.destinations.iterable_world import IterableWorld, iterable
from audience_assets_tests.destinations.klaviyo_world import KlaviyoWorld, klaviyo

__all__ = ["dotdigital", "emarsys", "iterable", "klaviyo"]

PEOPLE = ("ann@example.com", "bob@example.com", "cid@example.com")
BODIES = (
    "",
    "[1]",
    "<html>Just a moment...</html>",
    '{"message": "Error: ERROR_UNKNOWN"}',
    '{"data": {"id": "x", "attributes": {}}}',
    '{"replyCode": 0, "data": ""}',
    '{"replyCode": 0, "data": {"errors": ["x"]}}',
    '{"status": "Finished", "created": [{}], "updated": [1]}',
    '{"lists": [{}], "_items": [{}], "properties": [1], "user": 1, "fields": 1}',
)
# Nothing else of a batch tells what became of it.
WRITES = (
    "post_lists_subscribe",
    "post_lists_unsubscribe",
    "import_contacts",
    "remove_contacts",
    "addContactsToContactList",
    "removeContactsFromContactList",
    "bulk_import_profiles",
)
IMPATIENT = {"tries": 1}


@dataclass
class Place:
    """A vendor where these people are known and in a list."""

    sandbox: Sandbox
    clock: VirtualClock
    finish: Callable[[], object]
    service: Callable[[], ListService]
    target: ListRef
    members: list[Member]

    def calls(self) -> dict[str, Callable[[ListService], Any]]:
        numbers = count()
        changed = [Member(m.identifier, {**m.values, "plan": "b"}, previous={**m.values}) for m in self.members]
        return {
            "find": lambda service: service.find_list(self.target.name),
            "get": lambda service: service.get_list(self.target.id),
            "ensure": lambda service: service.ensure_list(f"List {next(numbers)}"),
            "members": lambda service: list(service.members(self.target)),
            "add": lambda service: service.add(self.target, self.members),
            "update": lambda service: service.update(self.target, changed),
            "remove": lambda service: service.remove(self.target, self.members),
            "check": lambda service: list(service.check(self.target.name)),
        }

    def endpoints(self, call: Callable[[ListService], Any]) -> list[str]:
        """What a call asks of the vendor when all goes well."""
        before = len(self.sandbox.requests)
        call(self.service())
        entries = list(self.sandbox.requests)[before:]
        return list(dict.fromkeys(entry.endpoint for entry in entries))


@pytest.fixture
def iterable_place(iterable: IterableWorld) -> Place:
    iterable.seed(*({"email": each} for each in PEOPLE))
    members = [iterable_world.person(each, plan="a") for each in PEOPLE]
    settings = {**IMPATIENT, "new_list_tries": 1}
    return Place(
        iterable.sandbox,
        iterable.clock,
        iterable.project.finish,
        lambda: iterable.service(attributes={"plan": "text"}, settings=settings),
        iterable.make_list(),
        members,
    )


@pytest.fixture
def dotdigital_place(dotdigital: DotdigitalWorld) -> Place:
    dotdigital.account.add_contacts([{"email": each} for each in PEOPLE])
    members = [dotdigital_world.by_email(each) for each in PEOPLE]
    settings = {**IMPATIENT, "job_patience_seconds": 5}
    return Place(
        dotdigital.sandbox,
        dotdigital.clock,
        dotdigital.account.finish_jobs,
        lambda: dotdigital.service(settings=settings),
        dotdigital.make_list(),
        members,
    )


@pytest.fixture
def emarsys_place(emarsys: EmarsysWorld) -> Place:
    emarsys.know(*PEOPLE, PEOPLE[0])
    members = [emarsys_world.reader(each) for each in PEOPLE]
    target = emarsys.make_list()
    return Place(
        emarsys.sandbox, emarsys.clock, list, lambda: emarsys.service(IMPATIENT, duplicates="add_all"), target, members
    )


@pytest.fixture
def klaviyo_place(klaviyo: KlaviyoWorld) -> Place:
    members = [klaviyo_world.email_member(each, plan="a", external_id=each[:3]) for each in PEOPLE]
    settings = {**IMPATIENT, "import_patience_seconds": 5}
    return Place(
        klaviyo.sandbox,
        klaviyo.clock,
        klaviyo.account.finish_jobs,
        lambda: klaviyo.audience_list(identifiers=("email", "external_id"), fields={"plan": "text"}, settings=settings),
        klaviyo.make_list(),
        members,
    )


@pytest.fixture(params=["iterable", "dotdigital", "emarsys", "klaviyo"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield request.getfixturevalue(f"{request.param}_place")


def test_whatever_is_answered_nothing_breaks_and_nobody_counts_as_delivered(place: Place) -> None:
    place.service().add(place.target, place.members)
    tried = set[str]()
    for name, call in place.calls().items():
        for endpoint in place.endpoints(call):
            if endpoint in tried:
                continue
            tried.add(endpoint)
            for body in BODIES:
                if name == "remove":
                    place.finish()
                    place.service().add(place.target, place.members)
                place.finish()
                place.clock.advance(60)  # so that no limit is met
                fault = place.sandbox.faults.add(Fault(Action.REPLACE, endpoint=endpoint, status=200, content=body))
                found = None
                with suppress(DestinationError):
                    found = call(place.service())
                place.sandbox.faults.clear()
                assert fault.hits, (name, endpoint)
                if isinstance(found, Report) and endpoint in WRITES:
                    assert not _accepted(found, place.members), (name, endpoint, body)


def _accepted(report: Report, members: list[Member]) -> set[str]:
    told = {outcome.identifier: outcome.status for outcome in report.outcomes}
    return {m.identifier for m in members if told.get(m.identifier, Status.ACCEPTED) is Status.ACCEPTED}


@pytest.mark.parametrize("status", [302, 404])
def test_a_wrong_address_is_told_as_such(place: Place, status: int) -> None:
    place.sandbox.faults.add(Fault(Action.REPLACE, status=status, content='{"error": "nothing here"}'))
    bad = [finding.message for finding in place.service().check(place.target.name) if not finding.ok]
    assert bad
    assert "address" in bad[0] or "token_url" in bad[0]

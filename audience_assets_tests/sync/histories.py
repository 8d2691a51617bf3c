"""Any history of readers, contacts, hands at the vendor, outages and killed processes: in the end the list is right.

A machine drives the real engine against a vendor's twin over HTTP, whatever the vendor. `settle` ends the outages,
reconciles and syncs until nothing is open, and then asks:

    whoever is wanted and can be listed is in the list, once, with their attributes
    nobody is in the list who left, and everybody else's members are still there
    nobody was deleted, and nobody created unless the service says so
    whoever opted out is opted out, nobody else is
    one more sync changes nothing

Lists whose members are opted in and out have a machine of their own (test_stateful).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.destinations.base import Connection, DestinationError, DestinationType, ListService, Operation
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.sandbox import Action, Fault, Sandbox
from audience_assets.sandbox.switching import change_switches
from audience_assets.sync import NeverDelivered, SyncReport, reconcile
from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.state import State
from audience_assets_tests.conftest import unsafe_but_fast
from audience_assets_tests.sync.mortal import (
    Fate,
    Killed,
    MortalLimiter,
    TickingClock,
    bury,
    dying_at_flush,
    one_at_a_time,
)
from audience_assets_tests.vendors import shop
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.shop import GUESTS, LIST_NAME

ACTIVATION = "readers"
KEYS = st.integers(1, 5)
NAMES = st.sampled_from("abcdef")
SPELLINGS = st.sampled_from(["{}@x.com", " {}@x.com", "{}@X.com"])
CITIES = st.sampled_from(["Oslo", "Rome"])
FAULTS = st.sampled_from(
    [
        Action.THROTTLE,
        Action.ERROR_BEFORE,
        Action.ERROR_AFTER,
        Action.RESET_BEFORE,
        Action.RESET_AFTER,
        Action.TRUNCATE,
        Action.CHALLENGE,
    ]
)
FOREIGN = ("foreign@y.com", "e@x.com")
MOST_SYNCS = 3
SMALL = {Operation.ADD: 2, Operation.UPDATE: 2, Operation.REMOVE: 1}
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SETTINGS = settings(max_examples=200 if THOROUGH else 3, stateful_step_count=40 if THOROUGH else 12)
_accounts = itertools.count(1)


class ListHistory(RuleBasedStateMachine):
    """Who is wanted, known and opted out is kept here a second time, in plain Python."""

    service: ClassVar[type[VendorAccount]]
    sandbox: ClassVar[Sandbox]
    clock: ClassVar[TickingClock]
    parent: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=self.parent)
        self.path = Path(self.folder.name)
        # User key -> address as it is written, city.
        self.wanted: dict[int, tuple[str, str]] = {}
        self.ever: set[str] = set()
        self.opted_out: set[str] = set()

    @initialize(data=st.data(), adopted=st.booleans(), otherwise=st.booleans())
    def begin(self, data: st.DataObject, adopted: bool, otherwise: bool) -> None:
        variant: Mapping[str, Mapping[str, str]] = data.draw(st.sampled_from(self.service.variants))
        self.account = self.service.open(self.sandbox, f"history-{next(_accounts)}", variant)
        self.switches = change_switches(self.account.switches, {})
        if otherwise:
            change_switches(self.account.switches, self.account.otherwise)
        self.known = ["a@x.com", "b@x.com", *FOREIGN]
        self.account.know(self.known)
        self.before_us = FOREIGN if adopted else ()
        if adopted:
            self.account.adopt(LIST_NAME, FOREIGN)
        twin = self.sandbox.url_of(self.account.kind().name)
        self.accounts = {ACTIVATION: (self.account, twin)}
        shop.write_project(self.path, self.accounts)
        self.url = f"sqlite:///{self.path / 'warehouse.db'}"
        self.engine = open_warehouse(self.url)
        unsafe_but_fast(self.engine)
        GUESTS.create(self.engine)
        self.start()
        for key, name in enumerate("abc", start=1):
            self.enters(key, name, "{}@x.com", "Oslo")
        self.syncs()

    def start(self) -> None:
        """A new process: nothing of the old one but what it had committed."""
        self.fate = Fate()
        limiter = SlidingLimiter(MemorySlotLog(self.clock.now), "history", sleep=self.clock.sleep)
        kind = small_batches(self.service, MortalLimiter(limiter, self.fate))
        self.runtime = shop.open_project(self.path, self.accounts, self.url, {kind.name: kind})
        self.runtime.now = self.clock.moment
        unsafe_but_fast(self.runtime.engine)
        self.fate.watch(self.runtime.engine)

    # -- what happens in the warehouse --------------------------------------------------------------------------------

    @rule(key=KEYS, name=NAMES, spelling=SPELLINGS, city=CITIES)
    def enters(self, key: int, name: str, spelling: str, city: str) -> None:
        """Or has another address or city from now on."""
        self.wanted[key] = spelling.format(name), city
        self.ever.add(f"{name}@x.com")
        with self.engine.begin() as connection:
            connection.execute(GUESTS.delete().where(GUESTS.c.id == key))
            connection.execute(GUESTS.insert(), [shop.guest(key, *self.wanted[key])])

    @rule(key=KEYS)
    def leaves(self, key: int) -> None:
        self.wanted.pop(key, None)
        with self.engine.begin() as connection:
            connection.execute(GUESTS.delete().where(GUESTS.c.id == key))

    # -- what happens at the vendor -----------------------------------------------------------------------------------

    @rule(name=NAMES)
    def becomes_known(self, name: str) -> None:
        if f"{name}@x.com" not in self.account.people():
            self.account.know([f"{name}@x.com"])
            self.known.append(f"{name}@x.com")

    @rule(name=NAMES)
    def is_taken_off(self, name: str) -> None:
        if f"{name}@x.com" not in self.before_us:
            self.account.take_off(LIST_NAME, f"{name}@x.com")

    @rule(name=NAMES)
    def opts_out(self, name: str) -> None:
        if f"{name}@x.com" in self.account.people() and f"{name}@x.com" not in self.before_us:
            self.account.opt_out(f"{name}@x.com")
            self.opted_out.add(f"{name}@x.com")

    @rule(name=NAMES)
    def is_deleted(self, name: str) -> None:
        email = f"{name}@x.com"
        if (
            self.service.can_delete
            and email in self.account.people()
            and email not in (*self.before_us, *self.opted_out)
        ):
            self.account.delete(email)
            self.known = [each for each in self.known if each != email]

    @rule(action=FAULTS, data=st.data(), skipped=st.integers(0, 2), times=st.sampled_from([1, 4, 9, 30]))
    def fails(self, action: Action, data: st.DataObject, skipped: int, times: int) -> None:
        endpoint = data.draw(st.sampled_from(["*", *self.service.writes, *self.service.writes, *self.service.reads]))
        self.sandbox.faults.add(Fault(action, endpoint, calls=range(skipped + 1, skipped + 1 + times)))

    # -- syncs --------------------------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 40, 1500]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(60 * minutes)

    @rule()
    def syncs(self) -> None:
        with contextlib.suppress(DestinationError):
            self.sync()

    @rule(steps=st.integers(1, 120))
    def is_killed(self, steps: int) -> None:
        """The process ends at its n-th statement, commit or call, or when it is done."""
        self.fate.strike_after(steps)
        try:
            self.syncs()
        except Killed:
            pass
        finally:
            self.runtime.close()
            bury(self.engine, self.runtime.state)
            self.start()

    @rule()
    def settle(self) -> None:
        self.sandbox.faults.clear()
        self.until_calm()
        with contextlib.suppress(NeverDelivered):
            reconcile(self.runtime, ACTIVATION, apply=True, settling=timedelta(0))
        self.until_calm()
        self.list_is_right()
        self.people_are_as_they_were()
        before = self.effects()
        again = self.sync()
        assert self.effects() == before, f"changed by a sync that had nothing to do: {again}"

    def until_calm(self) -> None:
        states = []
        for _ in range(MOST_SYNCS):
            self.clock.advance(3600)
            states.append(self.sync().state)
            if states[-1] != "partial":
                return
        raise AssertionError("rows stay open without an outage")

    def sync(self) -> SyncReport:
        self.clock.advance(60)
        now = self.clock.moment()
        refresh_segment(self.engine, State(self.engine), self.runtime.project, shop.SEGMENT, now)
        return shop.sync(self.runtime, ACTIVATION, now)

    # -- verdicts -----------------------------------------------------------------------------------------------------

    def list_is_right(self) -> None:
        listed = Counter(self.account.listed(LIST_NAME))
        wanted = self.wanted_by_address()
        for email, city in wanted.items():
            if not self.account.can_list(LIST_NAME, email):
                continue
            assert listed[email] == 1, f"{email} is {listed[email]} times in the list"
            if self.carries_attributes:
                assert self.account.attributes(email).get("city") == city, f"{email} has another city"
        for email in listed.keys() - wanted.keys():
            assert email in self.before_us, f"{email} should have left"
        kept = set(self.before_us) - self.ever
        assert kept <= listed.keys(), "somebody else's members were removed"

    def people_are_as_they_were(self) -> None:
        people = self.account.people()
        if self.account.kind().services[self.account.service].creates_contacts:
            assert len(people) == len(set(people)), "somebody was created twice"
            assert set(self.known) <= set(people) <= {*self.known, *self.ever}
        else:
            assert sorted(people) == sorted(self.known), "somebody was created or deleted"
        assert self.account.opted_out() == self.opted_out

    def wanted_by_address(self) -> dict[str, str]:
        """Address -> city, of the smallest key among those who share it."""
        found: dict[str, str] = {}
        for _, (email, city) in sorted(self.wanted.items()):
            found.setdefault(email.strip().lower(), city)
        return found

    @property
    def carries_attributes(self) -> bool:
        return self.account.kind().services[self.account.service].carries_attributes

    def effects(self) -> tuple[list[str], list[str]]:
        return sorted(self.account.listed(LIST_NAME)), sorted(self.account.people())

    def teardown(self) -> None:
        try:
            if hasattr(self, "runtime"):
                self.settle()
        finally:
            if hasattr(self, "runtime"):
                self.runtime.close()
                self.engine.dispose()
            if hasattr(self, "switches"):
                change_switches(self.account.switches, self.switches)
            self.folder.cleanup()


def small_batches(service: type[VendorAccount], limiter: MortalLimiter) -> DestinationType:
    """The vendor with batches of a few members, so that a sync of five people has several."""
    spec = service.kind().services[service.service]

    def connect(connection: Connection) -> ListService:
        return dying_at_flush(one_at_a_time(spec.connect(replace(connection, limiter=limiter))), limiter.fate)

    return replace(service.kind(), services={spec.name: replace(spec, batch_sizes=SMALL, connect=connect)})


@contextmanager
def connected(machine: type[ListHistory], service: type[VendorAccount], parent: Path) -> Iterator[type[ListHistory]]:
    """The machine with a vendor to talk to."""
    clock = TickingClock()
    with Sandbox([service.twin()], clock=clock) as sandbox:
        members = {"service": service, "sandbox": sandbox, "clock": clock, "parent": parent}
        yield type(machine.__name__, (machine,), members)

"""Any history of readers, contacts, hands at Emarsys, outages and killed processes: in the end the list is right.

`settle` ends the outages, reconciles and syncs until nothing is open, and then asks:

    whoever is wanted and known to Emarsys by an address of their own is in the list
    nobody is in the list who left, and everybody else's members are still there
    no contact was created or deleted, and no opt-in changed
    one more sync writes nothing
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.destinations.base import Connection, DestinationError, DestinationType, Operation
from audience_assets.destinations.emarsys import EMARSYS
from audience_assets.destinations.emarsys.contact_list import CONTACT_LIST, ContactList
from audience_assets.destinations.emarsys.settings import EmarsysSettings
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Action, Fault, Sandbox
from audience_assets.sandbox.emarsys import EmarsysSandbox
from audience_assets.sync import GuardTripped, NeverDelivered, SyncReport, reconcile, run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.state import State
from audience_assets_tests.sync.emarsys_shop import ACTIVATION, GUESTS, LIST_NAME, write_project
from audience_assets_tests.sync.fragile import DEAD_PROCESS, Fate, Killed, MortalLimiter, TickingClock

KEYS = st.integers(1, 5)
NAMES = st.sampled_from("abcdef")
SPELLINGS = st.sampled_from(["{}@x.com", " {}@x.com", "{}@X.com"])
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
STRUCK = st.sampled_from(["*", "remove*", "add*", "token", "add*", "remove*", "create*", "verify*", "list*"])
FOREIGN = ("foreign@y.com", "e@x.com")
MOST_SYNCS = 3
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SETTINGS = settings(max_examples=500 if THOROUGH else 10, stateful_step_count=40 if THOROUGH else 20)
_accounts = itertools.count(1)


class EmarsysList(RuleBasedStateMachine):
    """Who is wanted is kept here a second time, in plain Python."""

    sandbox: Sandbox
    clock: TickingClock
    parent: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=self.parent)
        self.path = Path(self.folder.name)
        self.wanted: dict[int, str] = {}
        self.ever: set[str] = set()

    @initialize(duplicates=st.sampled_from(["reject", "add_all"]), adopted=st.booleans())
    def begin(self, duplicates: str, adopted: bool) -> None:
        self.client = (f"client {next(_accounts)}", "hush")
        self.account = self.sandbox.emarsys.account(self.client[0], client=self.client)
        self.account.add_contacts({"email": each, "optin": False} for each in ("a@x.com", "b@x.com", *FOREIGN))
        self.contacts = len(self.account.contacts)
        self.before_us = FOREIGN if adopted else ()
        if adopted:
            made = self.account.create_list(LIST_NAME)
            made.add(contact.id for email in FOREIGN for contact in self.account.find(email))
        write_project(self.path, self.sandbox.url_of("emarsys"), f"{{duplicates: {duplicates}}}")
        self.url = f"sqlite:///{self.path / 'warehouse.db'}"
        self.engine = open_warehouse(self.url)
        sa.event.listen(self.engine, "connect", unsafe_but_fast)
        GUESTS.create(self.engine)
        self.start()
        for key, name in enumerate("abc", start=1):
            self.enters(key, name, "{}@x.com")
        self.syncs()

    def start(self) -> None:
        """A new process: nothing of the old one but what it had committed."""
        self.fate = Fate()
        limiter = SlidingLimiter(
            MemorySlotLog(self.clock.now), "fragile", sleep=lambda seconds: void(self.clock.advance(seconds))
        )
        kind = small_batches(MortalLimiter(limiter, self.fate))
        self.runtime = Runtime.open(self.path, url=self.url, destinations={"emarsys": kind})
        self.runtime.now = self.clock.moment
        sa.event.listen(self.runtime.engine, "connect", unsafe_but_fast)
        self.runtime.engine.dispose()
        url = self.sandbox.url_of("emarsys")
        given = {"client_id": self.client[0], "client_secret": self.client[1], "base_url": url}
        patience = {"token_url": f"{url}/oauth2/token", "tries": 3, "first_wait_seconds": 0}
        self.runtime.settings["emarsys"] = EmarsysSettings.model_validate({**given, **patience})
        for moment in ("before_cursor_execute", "commit"):
            sa.event.listen(self.runtime.engine, moment, self.fate.step)

    # -- what happens in the warehouse --------------------------------------------------------------------------------

    @rule(key=KEYS, name=NAMES, spelling=SPELLINGS)
    def enters(self, key: int, name: str, spelling: str) -> None:
        """Or has another address from now on."""
        self.wanted[key] = spelling.format(name)
        self.ever.add(f"{name}@x.com")
        with self.engine.begin() as connection:
            connection.execute(GUESTS.delete().where(GUESTS.c.id == key))
            connection.execute(GUESTS.insert().values(id=key, email=self.wanted[key], books=1))

    @rule(key=KEYS)
    def leaves(self, key: int) -> None:
        self.wanted.pop(key, None)
        with self.engine.begin() as connection:
            connection.execute(GUESTS.delete().where(GUESTS.c.id == key))

    # -- what happens at the vendor -----------------------------------------------------------------------------------

    @rule(name=NAMES)
    def another_contact_has_it(self, name: str) -> None:
        """The address becomes known, or a shared one."""
        if len(self.account.find(f"{name}@x.com")) < 3:
            self.contacts += self.account.add_contacts([{"email": f"{name}@x.com", "optin": False}])

    @rule(name=NAMES)
    def contacts_are_merged(self, name: str) -> None:
        """The newest of those who share an address is deleted, as Emarsys' own clearing up does."""
        shared = self.account.find(f"{name}@x.com")
        if len(shared) > 1:
            self.account.contacts.delete(shared[-1])
            for each in self.account.lists:
                each.remove([shared[-1].id])
            self.contacts -= 1

    @rule(name=NAMES)
    def is_taken_off(self, name: str) -> None:
        if f"{name}@x.com" not in self.before_us:
            for each in self.account.lists:
                each.remove(contact.id for contact in self.account.find(f"{name}@x.com"))

    @rule(action=FAULTS, endpoint=STRUCK, skipped=st.integers(0, 1), times=st.sampled_from([1, 4, 9, 30]))
    def fails(self, action: Action, endpoint: str, skipped: int, times: int) -> None:
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
            registry = self.runtime.state.destination_list
            owner = f"{socket.gethostname()}|{DEAD_PROCESS}|killed"
            with self.engine.begin() as connection:
                held = registry.c.lease_owner.is_not(None)
                connection.execute(registry.update().where(held).values(lease_owner=owner))
            self.start()

    @rule()
    def settle(self) -> None:
        self.sandbox.faults.clear()
        self.until_calm()
        with contextlib.suppress(NeverDelivered):
            reconcile(self.runtime, ACTIVATION, apply=True, settling=timedelta(0))
        self.until_calm()
        self.list_is_right()
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
        refresh_segment(self.engine, State(self.engine), self.runtime.project, ACTIVATION, now)
        try:
            return run_sync(self.runtime, ACTIVATION, as_of=now)
        except GuardTripped as stopped:
            # All members were taken off by hand and reconciled: a person looks at the plan and lets it through.
            return run_sync(self.runtime, ACTIVATION, as_of=now, approve=stopped.plan.fingerprint)

    def list_is_right(self) -> None:
        wanted = {address.strip().lower() for address in self.wanted.values()}
        lists = self.account.lists
        assert [each.name for each in lists] == [LIST_NAME] * len(lists)
        assert len(lists) <= 1, "made twice"
        listed = [contact.email for each in lists for contact in self.account.members(each.id)]
        for email in wanted:
            sharing = len(self.account.find(email))
            assert sharing != 1 or listed.count(email) == 1, f"{email} is missing"
        for email in set(filter(None, listed)) - wanted:
            assert email in self.before_us, f"{email} should have left"
        kept = set(self.before_us) - self.ever
        assert kept <= set(listed), "somebody else's members were removed"
        assert len(self.account.contacts) == self.contacts
        assert all(self.account.opted_out(email) for email in filter(None, listed))

    def effects(self) -> list[set[int]]:
        return [set(each.members) for each in self.account.lists]

    def teardown(self) -> None:
        if hasattr(self, "runtime"):
            try:
                self.settle()
            finally:
                self.runtime.close()
                self.engine.dispose()
        self.folder.cleanup()


def small_batches(limiter: MortalLimiter) -> DestinationType:
    """Emarsys with batches of a few members, so that a sync of five people has several."""

    def connect(connection: Connection) -> ContactList:
        return ContactList(replace(connection, limiter=limiter))

    sizes = {Operation.ADD: 2, Operation.UPDATE: 2, Operation.REMOVE: 1}
    return replace(EMARSYS, services={CONTACT_LIST.name: replace(CONTACT_LIST, batch_sizes=sizes, connect=connect)})


def unsafe_but_fast(connection: Any, _: object) -> None:
    """Nothing here outlives the test, let alone the machine."""
    connection.execute("PRAGMA synchronous=OFF")


def void(_: object) -> None:
    return None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[type[EmarsysList]]:
    """The machine with a vendor to talk to."""
    clock = TickingClock()
    with Sandbox([EmarsysSandbox(rate_limits=False)], clock=clock) as sandbox:

        class Connected(EmarsysList):
            pass

        Connected.sandbox, Connected.clock, Connected.parent = sandbox, clock, tmp_path
        yield Connected


@pytest.mark.long
def test_any_history(machine: type[EmarsysList]) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)

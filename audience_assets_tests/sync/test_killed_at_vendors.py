"""kill -9 of a sync's process, at every vendor: the next run finishes the job, whatever the dead one had sent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from audience_assets.runtime import Runtime
from audience_assets.sandbox import Action, Fault, Sandbox
from audience_assets.sync import SyncReport
from audience_assets_tests.processes import PROCESSES
from audience_assets_tests.sync.killed import sync_project_until
from audience_assets_tests.sync.mortal import TickingClock
from audience_assets_tests.vendors import shop
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.every import SERVICES

ACTIVATION = "readers"
NEVER = 1_000_000
AUDIENCE, CHURN = 12, 3
# A sync with churn has about a hundred and twenty statements and commits.
STATEMENTS = (45, 75, 105)
AN_HOUR = 3600


@dataclass
class Shop:
    """A list whose audience moves on: every time some leave for good and as many enter."""

    folder: Path
    sandbox: Sandbox
    account: VendorAccount
    runtime: Runtime
    environment: dict[str, str]
    clock: TickingClock
    first: int = 0
    pid: int = field(default=0, init=False)

    def moves_on(self) -> set[str]:
        self.first += CHURN
        people = {key: f"p{key}@x.com" for key in range(self.first, self.first + AUDIENCE)}
        shop.set_readers(self.runtime.engine, [shop.guest(key, email) for key, email in people.items()])
        shop.refresh(self.runtime, self.runtime.now())
        return set(people.values())

    def sync(self) -> SyncReport:
        return shop.sync(self.runtime, ACTIVATION, self.clock.moment())

    def killed(self, *, statement: int = NEVER) -> bool:
        """Sync in a process; whether it was killed."""
        url = self.runtime.engine.url.render_as_string(hide_password=False)
        process = PROCESSES.Process(
            target=sync_project_until,
            args=(str(self.folder), url, self.environment, ACTIVATION, self.clock.moment(), statement),
            daemon=True,
        )
        process.start()
        assert process.pid is not None
        self.pid = process.pid
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        return process.exitcode != 0

    def is_finished_by_the_next_run(self, told: str) -> None:
        """Or by the one after it, an hour later, where what the dead one may have sent has to settle first."""
        self.clock.advance(AN_HOUR)
        self.account.listed(shop.LIST_NAME)
        wanted = self.moves_on()
        if self.sync().state == "partial":
            self.clock.advance(AN_HOUR)
            assert self.sync().state == "delivered", told
        assert sorted(self.account.listed(shop.LIST_NAME)) == sorted(wanted), told
        assert self.sync().state == "unchanged", f"{told}: something was left open"


@pytest.fixture(params=SERVICES)
def bookshop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    service, clock = SERVICES[request.param], TickingClock()
    with Sandbox([service.twin()], clock=clock) as sandbox:
        account = service.open(sandbox, "killed")
        account.know(f"p{key}@x.com" for key in range(200))
        accounts = {ACTIVATION: (account, sandbox.url_of(service.kind().name))}
        shop.write_project(tmp_path, accounts)
        with shop.open_project(tmp_path, accounts, f"sqlite:///{tmp_path / 'warehouse.db'}") as runtime:
            shop.GUESTS.create(runtime.engine)
            runtime.now = clock.moment
            opened = Shop(tmp_path, sandbox, account, runtime, shop.environment(accounts), clock)
            opened.moves_on()
            opened.sync()
            yield opened


@pytest.mark.long
def test_killed_in_between(bookshop: Shop) -> None:
    """Before a statement or after a commit, from the plan to the report."""
    deaths = 0
    for statement in STATEMENTS:
        bookshop.moves_on()
        deaths += bookshop.killed(statement=statement)
        bookshop.is_finished_by_the_next_run(f"killed at statement {statement}")
    assert deaths > 1


def test_killed_inside_a_call(bookshop: Shop) -> None:
    """Before the vendor has done it, and after, when nobody is left to hear the answer."""
    for endpoint in bookshop.account.writes:
        for moment in (Action.HOOK_BEFORE, Action.HOOK_AFTER):
            fault = Fault(moment, endpoint, times=1, hook=lambda _: os.kill(bookshop.pid, signal.SIGKILL))
            bookshop.sandbox.faults.add(fault)
            bookshop.moves_on()
            assert bookshop.killed(), f"{endpoint} was never called"
            bookshop.sandbox.faults.clear()
            bookshop.is_finished_by_the_next_run(f"killed {moment} {endpoint}")

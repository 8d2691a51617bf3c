"""A Klaviyo list whose syncs can be ended anywhere, on a clock that tests move."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audience_assets.destinations.base import Connection, DestinationType, Endpoint, ListRef, Member, Operation, Report
from audience_assets.destinations.klaviyo import KLAVIYO
from audience_assets.destinations.klaviyo.subscription_list import SUBSCRIPTION_LIST, SubscriptionList
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.klaviyo import KlaviyoAccount
from audience_assets.sync import SyncReport, run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, make_runtime

_accounts = itertools.count(1)
# No process has this number: Linux gives at most 4194304.
DEAD_PROCESS = 4_194_305


class TickingClock(VirtualClock):
    """Moves on by a millisecond at each look, so that no two moments are the same."""

    def now(self) -> float:
        return self.advance(0.001)

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)


class Killed(BaseException):
    """The process is gone: nothing catches this."""


class Fate:
    """Ends the process at its n-th step: an SQL statement, a commit or a vendor call. It does nothing afterwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: int | None = None
        self.dead = False

    def strike_after(self, steps: int) -> None:
        self._left = steps

    def step(self, *_: Any) -> None:
        with self._lock:
            if self._left is not None:
                self._left -= 1
                self.dead = self.dead or self._left <= 0
            if self.dead:
                raise Killed


@dataclass(frozen=True)
class MortalLimiter:
    """Lets calls through at once on the test's clock, until the process has ended."""

    inner: SlidingLimiter
    fate: Fate

    def acquire(self, endpoint: Endpoint) -> None:
        self.fate.step()
        self.inner.acquire(endpoint)

    def hold(self, endpoint: Endpoint, seconds: float) -> None:
        self.inner.hold(endpoint, seconds)


class OneAtATime(SubscriptionList):
    """Batches one after the other, so that a failing example fails again."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._turn = threading.Lock()

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        with self._turn:
            return super().add(target, members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        with self._turn:
            return super().update(target, members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        with self._turn:
            return super().remove(target, members)


def small_batches(limiter: MortalLimiter) -> DestinationType:
    """Klaviyo with batches of a few members, so that a sync of ten people has several."""
    spec = replace(
        SUBSCRIPTION_LIST,
        batch_sizes={Operation.ADD: 3, Operation.UPDATE: 2, Operation.REMOVE: 2},
        connect=lambda connection: OneAtATime(replace(connection, limiter=limiter)),
    )
    return replace(KLAVIYO, services={spec.name: spec})


@dataclass
class FragileList:
    """One list at an account of its own. `engine` is the test's own way into the warehouse."""

    folder: Path
    sandbox: Sandbox
    clock: TickingClock
    channels: tuple[str, ...]
    import_history: bool
    key: str = field(init=False)
    account: KlaviyoAccount = field(init=False)
    runtime: Runtime = field(init=False)
    engine: sa.Engine = field(init=False)

    def __post_init__(self) -> None:
        number = next(_accounts)
        self.key = f"pk_fragile_{number}"
        self.account = self.sandbox.klaviyo.account(f"fragile {number}", key=self.key)
        self.engine = self._open()
        self._start()

    def _open(self) -> sa.Engine:
        engine = open_warehouse(f"sqlite:///{self.folder / 'warehouse.db'}")
        # Nothing here outlives the test, let alone the machine.
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        return engine

    def _start(self) -> None:
        """A new process: nothing of the old one but what it had committed."""
        self.fate = Fate()
        engine = self._open()
        for moment in ("before_cursor_execute", "commit"):
            sa.event.listen(engine, moment, self.fate.step)
        limiter = SlidingLimiter(MemorySlotLog(self.clock.now), "fragile", sleep=self._wait)
        self.runtime = make_runtime(
            self.folder,
            engine,
            self.sandbox.url,
            key=self.key,
            channels=self.channels,
            import_history=self.import_history,
            destinations={"klaviyo": small_batches(MortalLimiter(limiter, self.fate))},
            now=self.clock.moment,
        )

    def _wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def sync(self) -> SyncReport:
        return run_sync(self.runtime, ACTIVATION, as_of=self.clock.moment())

    def sync_until(self, steps: int) -> None:
        """Sync in a process that ends at its n-th step, or when it is done, and start the next one."""
        self.fate.strike_after(steps)
        try:
            self.sync()
        except Killed:
            pass
        finally:
            self.runtime.close()
            self._bury()
            self._start()

    def _bury(self) -> None:
        """The lease of a killed process names one that is gone."""
        registry = self.runtime.state.destination_list
        owner = f"{socket.gethostname()}|{DEAD_PROCESS}|killed"
        with self.engine.begin() as connection:
            held = registry.c.lease_owner.is_not(None)
            connection.execute(registry.update().where(held).values(lease_owner=owner))

    def rows(self, table: sa.Table | sa.TableClause) -> list[dict[str, Any]]:
        with self.engine.begin() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def ledger(self) -> dict[str, str]:
        """Identifier -> status."""
        name = self.runtime.state.table_name(f"list_{ACTIVATION}")
        if not sa.inspect(self.engine).has_table(name):
            return {}
        return {
            row["identifier"]: row["status"]
            for row in self.rows(sa.table(name, sa.column("identifier"), sa.column("status")))
        }

    def writes(self) -> int:
        """Calls so far that change something at the vendor."""
        name = self.account.name
        return sum(entry.method != "GET" for entry in self.sandbox.requests if entry.account == name)

    def close(self) -> None:
        self.runtime.close()
        self.engine.dispose()

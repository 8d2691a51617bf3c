"""A Klaviyo list whose syncs can be ended anywhere, on a clock that tests move."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audience_assets.destinations.base import DestinationType, Operation
from audience_assets.destinations.klaviyo import KLAVIYO
from audience_assets.destinations.klaviyo.subscription_list import SUBSCRIPTION_LIST, SubscriptionList
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount
from audience_assets.sync import SyncReport, run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.conftest import unsafe_but_fast
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, make_runtime
from audience_assets_tests.sync.mortal import (
    Fate,
    Killed,
    MortalLimiter,
    TickingClock,
    bury,
    one_at_a_time,
)

_accounts = itertools.count(1)


def small_batches(limiter: MortalLimiter) -> DestinationType:
    """Klaviyo with batches of a few members, so that a sync of ten people has several."""
    spec = replace(
        SUBSCRIPTION_LIST,
        batch_sizes={Operation.ADD: 3, Operation.UPDATE: 2, Operation.REMOVE: 2},
        connect=lambda connection: one_at_a_time(SubscriptionList(replace(connection, limiter=limiter))),
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
        unsafe_but_fast(engine)
        return engine

    def _start(self) -> None:
        """A new process: nothing of the old one but what it had committed."""
        self.fate = Fate()
        engine = self._open()
        self.fate.watch(engine)
        limiter = SlidingLimiter(MemorySlotLog(self.clock.now), "fragile", sleep=self.clock.sleep)
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
            bury(self.engine, self.runtime.state)
            self._start()

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

"""The two processes of a measurement: the vendor's twin, and a sync."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from audience_assets.destinations.base import Connection, Endpoint, Limiter
from audience_assets.destinations.limits import SlidingLimiter, SlotLog
from audience_assets.runtime import Runtime
from audience_assets.sync import SyncReport, run_sync
from audience_assets.warehouse.slots import SqliteSlotLog
from audience_assets_tests.vendors import shop
from audience_assets_tests.vendors.every import SERVICES
from audience_assets_tests.vendors.limits import limited_by
from benchmarks.meter import Cost, measured
from benchmarks.skipping import CountingSandbox, RealTime, Shared, SharedClock, SkippingClock, WatchedLog

ACTIVATION = "readers"
Variant = Mapping[str, Mapping[str, str]]


def address(number: int) -> str:
    return f"person{number}@mail{number % 97}.com"


@dataclass(frozen=True)
class Task:
    """What is measured."""

    service: str
    variant: Variant
    members: int
    limits: bool
    # On the machine's clock, which skips nothing.
    real: bool
    folder: Path

    @property
    def leavers(self) -> int:
        return self.members // 100

    @property
    def name(self) -> str:
        settings = self.variant.get("settings", {})
        return " ".join([self.service, *(f"{key}={value}" for key, value in settings.items())])

    @property
    def warehouse(self) -> str:
        return f"sqlite:///{self.folder / 'warehouse.db'}"


def serve(task: Task, shared: Shared, pipe: Pipe) -> None:
    """Write the project, say its secrets, then answer "calls" and "listed" until told to end."""
    service = SERVICES[task.service]
    clock = RealTime() if task.real else SharedClock(shared)
    shared.serving()
    with CountingSandbox([service.twin(rate_limits=task.limits)], clock=clock) as sandbox:
        sandbox.shared = shared
        account = service.open(sandbox, "bench", task.variant)
        account.know(address(number) for number in range(task.members + task.leavers))
        accounts = {ACTIVATION: (account, sandbox.url)}
        shop.write_project(task.folder, accounts)
        pipe.send(shop.environment(accounts))
        while (asked := pipe.recv()) != "end":
            pipe.send(Counter(sandbox.requests.counts()) if asked == "calls" else account.listed(shop.LIST_NAME))


@dataclass(frozen=True)
class Sync:
    """One sync's outcome. `seconds` are the clock's."""

    report: SyncReport
    seconds: float
    cost: Cost


class Free:
    """No limit."""

    def acquire(self, endpoint: Endpoint) -> None: ...

    def hold(self, endpoint: Endpoint, seconds: float) -> None: ...


def deliver(task: Task, environment: Mapping[str, str], shared: Shared, pipe: Pipe) -> None:
    os.environ.update(environment)
    logging.basicConfig(level=logging.WARNING)
    clock = RealTime() if task.real else SkippingClock(shared)
    kind = SERVICES[task.service].kind()
    log: SlotLog = SqliteSlotLog(task.folder / "calls.db", clock.now)
    if isinstance(clock, SkippingClock):
        log = WatchedLog(log, clock)

    def limiter(connection: Connection) -> Limiter:
        return SlidingLimiter(log, kind.account(connection.settings), sleep=clock.sleep) if task.limits else Free()

    destinations = {kind.name: limited_by(kind, limiter)}
    with Runtime.open(task.folder, url=task.warehouse, destinations=destinations) as runtime, clock.running():
        runtime.now = lambda: datetime.fromtimestamp(clock.now(), UTC)
        with measured() as cost:
            started = clock.now()
            report = run_sync(runtime, ACTIVATION, as_of=runtime.now())
            seconds = clock.now() - started
        pipe.send(Sync(report, seconds, cost))

"""A storm at one vendor is nobody else's: lists at other accounts are delivered as on a calm day, call by call.

Every destination is synced by a project opened for it alone, all at the same time and on one warehouse, as Dagster
runs them. Each vendor has a clock of its own, which its limiter moves, so a wait is seen on the clock of who waits.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audience_assets.destinations.base import DestinationError, DestinationType
from audience_assets.destinations.limits import SlidingLimiter
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Action, Fault, Sandbox, VirtualClock
from audience_assets.sync import SyncReport
from audience_assets.warehouse.slots import SqliteSlotLog
from audience_assets_tests.vendors import shop
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.every import SERVICES
from audience_assets_tests.vendors.limits import limited_by

STORMING = "storming"
AUDIENCE, CHURN, DAYS = 30, 10, 3
RETRY_AFTER = 60
AN_HOUR = 3600
# Longer than all that is waited for here takes, even on a busy machine.
DEADLOCK_SECONDS = 50
STORM = (Action.ERROR_BEFORE, Action.ERROR_AFTER, Action.RESET_BEFORE, Action.RESET_AFTER, Action.TRUNCATE)


@dataclass
class Place:
    """A destination: its account, the vendor's clock, and the seconds that its limiter has waited."""

    name: str
    account: VendorAccount
    sandbox: Sandbox
    clock: VirtualClock
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    @property
    def url(self) -> str:
        return self.sandbox.url

    def open(self, folder: Path, url: str, accounts: Mapping[str, tuple[VendorAccount, str]]) -> Runtime:
        """The project in a run of its own. Its calls are logged with everybody's, as in production."""
        kinds = {account.kind().name: account.kind() for account, _ in accounts.values()}
        kinds[self.account.kind().name] = self._timed(folder)
        runtime = shop.open_project(folder, accounts, url, kinds)
        runtime.now = self.now
        return runtime

    def _timed(self, folder: Path) -> DestinationType:
        kind = self.account.kind()
        log = SqliteSlotLog(folder / "audience_assets_calls.db", self.clock.now)
        return limited_by(
            kind, lambda connection: SlidingLimiter(log, kind.account(connection.settings), sleep=self._wait)
        )

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds)

    def seen(self) -> Mapping[str, Any]:
        """Everything that happened at the vendor and to us there."""
        calls = Counter({endpoint: count for (endpoint, _), count in self.sandbox.requests.counts().items()})
        return {
            "calls": calls,
            "waited": sum(self.waits),
            "listed": sorted(self.account.listed(shop.LIST_NAME)),
            "people": len(self.account.people()),
        }


@dataclass
class Market:
    """One project with a list at every place."""

    folder: Path
    places: Mapping[str, Place]
    runtimes: Mapping[str, Runtime]
    day: int = 0
    wanted: set[str] = field(default_factory=set)

    def next_day(self) -> None:
        """Some leave for good, as many enter."""
        first = CHURN * self.day
        people = {key: f"p{key}@x.com" for key in range(first, first + AUDIENCE)}
        self.day, self.wanted = self.day + 1, set(people.values())
        runtime = next(iter(self.runtimes.values()))
        shop.set_readers(runtime.engine, [shop.guest(key, email) for key, email in people.items()])
        shop.refresh(runtime, datetime(2026, 7, 15, self.day, tzinfo=UTC))

    def sync(self, name: str) -> SyncReport:
        return shop.sync(self.runtimes[name], name, self.places[name].now())


@contextlib.contextmanager
def open_market(folder: Path, storming: str | None) -> Iterator[Market]:
    """A list at every service and, with `storming`, another one at an account of that service."""
    services = {service.replace(".", "_"): each for service, each in SERVICES.items()}
    if storming:
        services[STORMING] = SERVICES[storming]
    with contextlib.ExitStack() as stack:
        places = {name: _place(stack, name, service) for name, service in services.items()}
        accounts = {name: (place.account, place.url) for name, place in places.items()}
        shop.write_project(folder, accounts)
        url = f"sqlite:///{folder / 'warehouse.db'}"
        runtimes = {n: stack.enter_context(place.open(folder, url, accounts)) for n, place in places.items()}
        shop.GUESTS.create(next(iter(runtimes.values())).engine)
        yield Market(folder, places, runtimes)


def _place(stack: contextlib.ExitStack, name: str, service: type[VendorAccount]) -> Place:
    clock = VirtualClock()
    sandbox = stack.enter_context(Sandbox([service.twin()], clock=clock, seed=5))
    account = service.open(sandbox, name)
    account.know(f"p{key}@x.com" for key in range(0, 100) if key % 7)
    return Place(name, account, sandbox, clock)


Outcome = Mapping[str, Mapping[str, Any]]


def live_through(market: Market, weather: Callable[[int], Callable[[], None]]) -> list[Outcome]:
    """Deliver for some days; what became of everybody but the storming one after each.

    `weather` is asked in the morning, and what it returns is called once everybody else is done.
    """
    told: list[Outcome] = []
    for day in range(DAYS):
        market.next_day()
        calm_again = weather(day)
        with ThreadPoolExecutor(len(market.places)) as runs:
            running = {name: runs.submit(market.sync, name) for name in market.places}
            reports = {name: run.result() for name, run in running.items() if name != STORMING}
            calm_again()
            if STORMING in running:
                with contextlib.suppress(DestinationError):
                    running[STORMING].result()
        told.append({name: {**numbers(report), **market.places[name].seen()} for name, report in reports.items()})
    return told


def numbers(report: SyncReport) -> Mapping[str, Any]:
    names = ("state", "added", "updated", "removed", "absent", "rejected", "retry", "members_after", "calls")
    return {name: getattr(report, name) for name in names}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """What happens without a storm."""
    with open_market(tmp_path_factory.mktemp("calm"), None) as market:
        return live_through(market, lambda _: lambda: None)


@dataclass
class Weather:
    """The vendor hangs at the first call, then at the first one that adds, then all sorts of faults."""

    place: Place
    released: threading.Event = field(default_factory=threading.Event)
    hung: list[bool] = field(default_factory=list)

    def __call__(self, day: int) -> Callable[[], None]:
        self.place.sandbox.faults.clear()
        if day == 0:
            self._hang("*")
        elif day == 1:
            self._hang(self.place.account.writes[0])
        else:
            self._storm()
        return self.released.set

    def _hang(self, endpoint: str) -> None:
        self.released.clear()
        hook = Fault(Action.HOOK_BEFORE, endpoint, times=1, hook=lambda _: self._wait())
        self.place.sandbox.faults.add(hook)

    def _wait(self) -> None:
        self.hung.append(self.released.wait(DEADLOCK_SECONDS))

    def _storm(self) -> None:
        faults = self.place.sandbox.faults
        faults.add(Fault(Action.THROTTLE, times=1, retry_after=RETRY_AFTER))
        faults.add(Fault(Action.THROTTLE, probability=0.2, retry_after=RETRY_AFTER))
        for action in STORM:
            faults.add(Fault(action, probability=0.12))


@pytest.mark.parametrize("service", SERVICES)
def test_a_storm_is_nobody_elses(service: str, calm: list[Outcome], tmp_path: Path) -> None:
    with open_market(tmp_path, service) as market:
        stormy = market.places[STORMING]
        weather = Weather(stormy)
        assert live_through(market, weather) == calm
        assert weather.hung == [True, True], "everybody else was done before the vendor answered"
        assert sum(stormy.waits) >= RETRY_AFTER, "it was throttled, and waited by its own clock"
        assert not any(place.waits and max(place.waits) >= RETRY_AFTER for place in others(market))

        stormy.sandbox.faults.clear()
        states: list[str] = []
        while not states or (states[-1] == "partial" and len(states) < 3):
            stormy.clock.advance(AN_HOUR)
            states.append(market.sync(STORMING).state)
        listed = stormy.account.listed(shop.LIST_NAME)
        assert set(listed) == {each for each in market.wanted if stormy.account.can_list(shop.LIST_NAME, each)}
        assert len(listed) == len(set(listed))
        assert states[-1] != "partial"


def others(market: Market) -> list[Place]:
    return [place for name, place in market.places.items() if name != STORMING]

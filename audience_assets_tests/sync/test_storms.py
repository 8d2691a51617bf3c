"""A storm at one vendor is nobody else's: lists at other accounts are delivered as on a calm day, call by call.

Every destination is synced by a project opened for it alone, all at the same time and on one warehouse, as Dagster
runs them. Each vendor has a clock of its own, which its limiter moves, so a wait is seen on the clock of who waits; the
calls are logged in a file on every warehouse, because Postgres' log knows the server's clock alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
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
from audience_assets_tests.conftest import file_url
from audience_assets_tests.vendors import shop
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.every import SERVICES
from audience_assets_tests.vendors.limits import limited_by

STORMING = "storming_"
AUDIENCE, CHURN, DAYS = 30, 10, 3
RETRY_AFTER = 60
AN_HOUR = 3600
# Longer than all that is waited for here takes, even on a busy machine; we give up on a call even later.
DEADLOCK_SECONDS, TIMEOUT_SECONDS = 200, 300
# At all at once; what waits for a warehouse's locks waits for them whoever the vendor is, so one will do on the others.
STORMS: Mapping[str, Collection[str]] = {
    "sqlite": SERVICES,
    **dict.fromkeys(("duckdb", "postgresql"), [*SERVICES][-1:]),
}
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
            # How the limiter spreads calls over fractions of a second is the threads' chance.
            "waited": sum(wait for wait in self.waits if wait >= 1),
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

    @property
    def stormy(self) -> Mapping[str, Place]:
        return {name: place for name, place in self.places.items() if name.startswith(STORMING)}

    @property
    def others(self) -> Mapping[str, Place]:
        return {name: place for name, place in self.places.items() if not name.startswith(STORMING)}


@contextlib.contextmanager
def open_market(folder: Path, url: str, storming: Collection[str] = ()) -> Iterator[Market]:
    """A list at every service and, where it is storming, another one at another account of it."""
    services = {service.replace(".", "_"): each for service, each in SERVICES.items()}
    services |= {STORMING + service.replace(".", "_"): SERVICES[service] for service in storming}
    with contextlib.ExitStack() as stack:
        places = {name: _place(stack, name, service) for name, service in services.items()}
        accounts = {name: (place.account, place.url) for name, place in places.items()}
        shop.write_project(folder, accounts)
        runtimes = {n: stack.enter_context(place.open(folder, url, accounts)) for n, place in places.items()}
        shop.GUESTS.create(next(iter(runtimes.values())).engine)
        yield Market(folder, places, runtimes)


def _place(stack: contextlib.ExitStack, name: str, service: type[VendorAccount]) -> Place:
    clock = VirtualClock()
    sandbox = stack.enter_context(Sandbox([service.twin()], clock=clock, seed=5))
    account = service.open(sandbox, name, {"settings": {"timeout_seconds": str(TIMEOUT_SECONDS)}})
    account.know(f"p{key}@x.com" for key in range(0, 100) if key % 7)
    return Place(name, account, sandbox, clock)


Outcome = Mapping[str, Mapping[str, Any]]


def live_through(market: Market, weather: Callable[[int], Callable[[], None]]) -> list[Outcome]:
    """Deliver for some days; what became of everybody but those in a storm after each.

    `weather` is asked in the morning, and what it returns is called once everybody else is done.
    """
    told: list[Outcome] = []
    for day in range(DAYS):
        market.next_day()
        calm_again = weather(day)
        with ThreadPoolExecutor(len(market.places)) as runs:
            running = {name: runs.submit(market.sync, name) for name in market.places}
            reports = {name: running[name].result() for name in market.others}
            calm_again()
            for name in market.stormy:
                with contextlib.suppress(DestinationError):
                    running[name].result()
        told.append({name: {**numbers(report), **market.places[name].seen()} for name, report in reports.items()})
    return told


def numbers(report: SyncReport) -> Mapping[str, Any]:
    names = ("state", "added", "updated", "removed", "absent", "rejected", "retry", "members_after", "calls")
    return {name: getattr(report, name) for name in names}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """What happens without a storm."""
    folder = tmp_path_factory.mktemp("calm")
    with open_market(folder, f"sqlite:///{folder / 'warehouse.db'}") as market:
        return live_through(market, lambda _: lambda: None)


@dataclass
class Weather:
    """Every vendor hangs at the first call, then at the first one that adds, then all sorts of faults."""

    places: Mapping[str, Place]
    released: threading.Event = field(default_factory=threading.Event)
    hung: list[str] = field(default_factory=list)

    def __call__(self, day: int) -> Callable[[], None]:
        self.released.clear()
        for name, place in self.places.items():
            place.sandbox.faults.clear()
            if day == 0:
                self._hang(name, place, "*")
            elif day == 1:
                self._hang(name, place, place.account.writes[0])
            else:
                _storm(place)
        return self.released.set

    def _hang(self, name: str, place: Place, endpoint: str) -> None:
        def wait(_: object) -> None:
            assert self.released.wait(DEADLOCK_SECONDS), "everybody else was done before the vendor answered"
            self.hung.append(name)

        place.sandbox.faults.add(Fault(Action.HOOK_BEFORE, endpoint, times=1, hook=wait))


def _storm(place: Place) -> None:
    faults = place.sandbox.faults
    faults.add(Fault(Action.THROTTLE, times=1, retry_after=RETRY_AFTER))
    faults.add(Fault(Action.THROTTLE, probability=0.2, retry_after=RETRY_AFTER))
    for action in STORM:
        faults.add(Fault(action, probability=0.12))


@pytest.fixture(params=STORMS)
def place_and_storm(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Collection[str]]:
    """The url of a warehouse, and the services whose vendors storm."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_database")), STORMS[request.param]
    return file_url(request.param, tmp_path / "warehouse.db"), STORMS[request.param]


@pytest.mark.long
def test_a_storm_is_nobody_elses(
    place_and_storm: tuple[str, Collection[str]], calm: list[Outcome], tmp_path: Path
) -> None:
    url, storming = place_and_storm
    with open_market(tmp_path, url, storming) as market:
        weather = Weather(market.stormy)
        assert live_through(market, weather) == calm
        assert Counter(weather.hung) == dict.fromkeys(market.stormy, 2)
        for name, place in market.stormy.items():
            assert sum(place.waits) >= RETRY_AFTER, f"{name} was throttled, and waited by its own clock"
        assert not any(place.waits and max(place.waits) >= RETRY_AFTER for place in market.others.values())
        for name in market.stormy:
            is_right_afterwards(market, name)


def is_right_afterwards(market: Market, name: str) -> None:
    place = market.places[name]
    place.sandbox.faults.clear()
    states: list[str] = []
    while not states or (states[-1] == "partial" and len(states) < 3):
        place.clock.advance(AN_HOUR)
        states.append(market.sync(name).state)
    listed = place.account.listed(shop.LIST_NAME)
    assert set(listed) == {each for each in market.wanted if place.account.can_list(shop.LIST_NAME, each)}, name
    assert len(listed) == len(set(listed)), name
    assert states[-1] != "partial", name

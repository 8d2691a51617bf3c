"""Processes that end at any step, on a clock that tests move."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from audience_assets.destinations.base import Endpoint, Gathers, ListRef, ListService, Member, Report
from audience_assets.destinations.limits import SlidingLimiter
from audience_assets.sandbox import VirtualClock
from audience_assets.warehouse.state import State

# No process has this number: Linux gives at most 4194304.
DEAD_PROCESS = 4_194_305


class TickingClock(VirtualClock):
    """Moves on by a millisecond at each look, so that no two moments are the same."""

    def now(self) -> float:
        return self.advance(0.001)

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)


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

    def watch(self, engine: sa.Engine) -> None:
        """Statements and commits are steps."""
        for moment in ("before_cursor_execute", "commit"):
            sa.event.listen(engine, moment, self.step)


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


Change = Callable[[ListRef, Sequence[Member]], Report]


def one_at_a_time(service: ListService) -> ListService:
    """Batches one after the other, so that a failing example fails again."""
    turn = threading.RLock()  # a service may add by its own update

    def in_turn(change: Change) -> Change:
        def wait_and_change(target: ListRef, members: Sequence[Member]) -> Report:
            with turn:
                return change(target, members)

        return wait_and_change

    for name in ("add", "update", "remove"):
        setattr(service, name, in_turn(getattr(service, name)))
    return service


def dying_at_flush(service: ListService, fate: Fate) -> ListService:
    """Delivering what a service has gathered is a step, and that it is delivered another."""
    if isinstance(service, Gathers):
        deliver = service.flush

        def flush() -> int:
            fate.step()
            calls = deliver()
            fate.step()
            return calls

        setattr(service, "flush", flush)  # noqa: B010 - mypy takes no assignment to a method
    return service


def bury(engine: sa.Engine, state: State) -> None:
    """The leases of a killed process name one that is gone."""
    registry = state.destination_list
    owner = f"{socket.gethostname()}|{DEAD_PROCESS}|killed"
    with engine.begin() as connection:
        held = registry.c.lease_owner.is_not(None)
        connection.execute(registry.update().where(held).values(lease_owner=owner))

"""A clock for vendors whose rate limits mean hours: real, but for the waits, which it skips.

The process that syncs and the twin's process read the same clock, so windows, waits and calls are where they would be
on a real one, and everything that is done takes the time it takes. Only when all that can go on is waiting (nobody has
left and not arrived, and nobody has left for a while) it leaps to the end of the shortest wait. Time that others work
while somebody waits is thus counted though it would have passed in the wait: measured times are never too short.
"""

from __future__ import annotations

import heapq
import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from typing import NamedTuple

from audience_assets.destinations.base import RateWindow
from audience_assets.destinations.limits import Slot, SlotLog
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.connection import Delivery
from audience_assets.sandbox.messages import Response

PROCESSES = multiprocessing.get_context("forkserver")
# For so long nobody must have called before a wait is skipped.
QUIET_SECONDS = 0.004


class Shared(NamedTuple):
    """What the two processes share: seconds skipped so far, and calls that the twin has answered."""

    skipped: Synchronized[float]
    answered: Synchronized[int]

    @classmethod
    def create(cls) -> Shared:
        return cls(PROCESSES.Value("d", 0.0), PROCESSES.Value("q", 0))


class SharedClock:
    """Seconds since 1970, and what was skipped."""

    def __init__(self, shared: Shared) -> None:
        self._skipped = shared.skipped.get_obj()

    def now(self) -> float:
        return time.time() + float(self._skipped.value)


class CountingSandbox(Sandbox):
    """Tells the other process how many calls have been answered."""

    shared: Shared

    def answer(self, *request: object, **more: object) -> tuple[Response, Delivery]:
        try:
            return super().answer(*request, **more)  # type: ignore[arg-type]
        finally:
            with self.shared.answered.get_lock():
                self.shared.answered.value += 1


class SkippingClock(SharedClock):
    """The clock of the process that syncs, which does the skipping while it is `running`."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._shared = shared
        self._wake = threading.Condition()
        self._sleepers: list[float] = []
        self._left = shared.answered.value
        self._last = 0.0
        self._ended = False

    def sleep(self, seconds: float) -> None:
        with self._wake:
            until = self.now() + seconds
            heapq.heappush(self._sleepers, until)
            while (remaining := until - self.now()) > 0:
                self._wake.wait(remaining)
            self._sleepers.remove(until)
            heapq.heapify(self._sleepers)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._skip_waits, name="skipping")
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            thread.join()

    @contextmanager
    def standing(self) -> Iterator[None]:
        """No wait is skipped in here."""
        with self._wake:
            yield

    def leaves(self) -> None:
        """A call is on its way to the twin."""
        self._left += 1
        self._last = time.monotonic()

    def _skip_waits(self) -> None:
        while not self._ended:
            time.sleep(QUIET_SECONDS / 2)
            with self._wake:
                if self._sleepers and self._is_quiet():
                    gap = self._sleepers[0] - self.now()
                    if gap > 0:
                        self._skipped.value += gap
                        self._wake.notify_all()

    def _is_quiet(self) -> bool:
        arrived = self._shared.answered.value >= self._left
        return arrived and time.monotonic() - self._last > QUIET_SECONDS


class WatchedLog:
    """A log of calls that tells the clock of each departure."""

    def __init__(self, inner: SlotLog, clock: SkippingClock) -> None:
        self._inner = inner
        self._clock = clock

    def reserve(
        self, key: str, windows: Sequence[RateWindow], patience: float, *, leaving: float | None = None
    ) -> Slot:
        with self._clock.standing():
            slot = self._inner.reserve(key, windows, patience, leaving=leaving)
            if slot.wait == 0:
                self._clock.leaves()
            return slot

    def hold(self, key: str, seconds: float) -> None:
        self._inner.hold(key, seconds)

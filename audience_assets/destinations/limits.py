"""Rate limits: at most n calls in any window, on every window of an endpoint, as fast as that allows.

Vendors count in fixed windows whose start we don't know. A sliding log (n calls in *any* window) is right for every
phase and waits no longer than it must; a token bucket lets `n` plus a minute's refill through and draws 429s.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from audience_assets.destinations.base import CallEstimate, Endpoint, RateWindow, Throttled

# Calls do not reach the vendor exactly as far apart as they left. That jitter does not grow with the window, so the
# margin of a long one is capped: 0.6 s of 60 s costs 1 % of the speed.
MARGIN = 0.04
LONGEST_MARGIN_SECONDS = 0.6
# A caller who would wait longer than this is told so (a daily limit) and does not hold a worker.
PATIENCE_SECONDS = 900.0


class SlotLog(Protocol):
    """Where the calls of all processes of an account are written down. It brings its own clock."""

    def reserve(self, key: str, windows: Sequence[RateWindow], patience: float) -> float:
        """Take the next free slot of `key` and return the seconds until it.

        If that is more than `patience`, nothing is taken and the seconds are returned all the same.
        """
        ...

    def hold(self, key: str, seconds: float) -> None:
        """No slot of `key` before `seconds` from now: the vendor asked for it."""
        ...


class SlidingLimiter:
    """The limiter of one account. `name` keeps accounts apart in a shared log."""

    def __init__(
        self,
        log: SlotLog,
        name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._log = log
        self._name = name
        self._sleep = sleep
        self._patience = patience

    def acquire(self, endpoint: Endpoint) -> None:
        """Return when the endpoint may be called. Throttled if its limit is used up for longer than patience."""
        wait = self._log.reserve(self._key(endpoint), endpoint.windows, self._patience)
        if wait > self._patience:
            raise Throttled(
                f"The limit of {endpoint.name!r} is used up for another {math.ceil(wait)} s.",
                retry_after=wait,
                status=None,
            )
        if wait > 0:
            self._sleep(wait)

    def hold(self, endpoint: Endpoint, seconds: float) -> None:
        """The vendor said when it will take calls again (Retry-After)."""
        self._log.hold(self._key(endpoint), seconds)

    def _key(self, endpoint: Endpoint) -> str:
        return f"{self._name}/{endpoint.name}"


class MemorySlotLog:
    """The log of a single process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: defaultdict[str, list[float]] = defaultdict(list)
        self._held: dict[str, float] = {}

    def reserve(self, key: str, windows: Sequence[RateWindow], patience: float) -> float:
        with self._lock:
            now = self._clock()
            slots = self._slots[key]
            nth = {n: slots[-n] for n in offsets(windows) if n <= len(slots)}
            wait = next_slot(now, self._held.get(key, now), nth, windows) - now
            if wait <= patience:
                slots.append(now + wait)
                del slots[: -max(offsets(windows))]
            return wait

    def hold(self, key: str, seconds: float) -> None:
        with self._lock:
            self._held[key] = max(self._held.get(key, 0.0), self._clock() + seconds)


def offsets(windows: Sequence[RateWindow]) -> list[int]:
    """Which of the latest slots decide when the next one is: the newest, and the n-th newest of each window."""
    return [1, *(window.calls for window in windows)]


def next_slot(now: float, not_before: float, nth: Mapping[int, float], windows: Sequence[RateWindow]) -> float:
    """When the next call may leave. `nth` holds the time of the n-th newest slot, where there is one."""
    earliest = max(now, not_before, nth.get(1, now))
    for window in windows:
        if window.calls in nth:
            earliest = max(earliest, nth[window.calls] + spaced(window))
    return earliest


def spaced(window: RateWindow) -> float:
    """The window's seconds with the margin."""
    return window.seconds + min(window.seconds * MARGIN, LONGEST_MARGIN_SECONDS)


def longest(windows: Sequence[RateWindow]) -> float:
    """Slots older than this decide nothing any more."""
    return max((spaced(window) for window in windows), default=0.0)


def floor_seconds(calls: Sequence[CallEstimate]) -> float:
    """The shortest time the vendor's windows allow for these calls, if calls themselves took none.

    Endpoints are limited separately and work at the same time, so the slowest decides. For 75/s and 750/min,
    1,000 calls take 63 s: 750 in the first ten seconds, 250 in the four that follow a minute's start.
    """
    return max((_last_start(estimate) for estimate in calls), default=0.0)


def _last_start(estimate: CallEstimate) -> float:
    starts: list[float] = []
    windows = estimate.endpoint.windows
    for number in range(estimate.calls):
        before = starts[-1] if starts else 0.0
        starts.append(max([before, *(starts[number - w.calls] + w.seconds for w in windows if number >= w.calls)]))
    return starts[-1] if starts else 0.0

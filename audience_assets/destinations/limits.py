"""Rate limits: at most n calls in any window, on every window of an endpoint, as fast as that allows.

Vendors count in fixed windows whose start we don't know. A sliding log (n calls in *any* window) is right for every
phase and waits no longer than it must; a token bucket lets `n` plus a minute's refill through and draws 429s.

A call that has to wait takes a place in the queue, sleeps, and exchanges the place for its departure: a busy machine
wakes it late, and the vendor counts when it left. So who queues comes after all places, who leaves after departures.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audience_assets.destinations.base import CallEstimate, Endpoint, RateWindow, Throttled

# Calls do not reach the vendor exactly as far apart as they left: one may be longer on its way than another, by this
# share of its window. That jitter does not grow with the window, so the margin of a long one is capped: 0.6 s of 60 s
# costs 1 % of the speed.
MARGIN = 0.02
LONGEST_MARGIN_SECONDS = 0.6
# A window that does not decide the speed, as 75 a second beside 750 a minute, has a margin that costs nothing. So has
# every window for some time after the vendor refused a call: calls may be longer on their way than we think.
WIDE_MARGIN = 0.08
CAREFUL_SECONDS = 600.0
# Calls that leave together wait for each other on their way. In a window shorter than this they are spread over its
# first half.
SHORT_SECONDS = 5.0
# A caller who would wait longer than this is told so (a daily limit) and does not hold a worker.
PATIENCE_SECONDS = 900.0

# A sleep may end this much early, which is also about what a clock of seconds since 1970 can tell apart.
PRECISION_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Slot:
    """A call's place: its time on the log's clock, and the seconds until then."""

    at: float
    wait: float


class SlotLog(Protocol):
    """Where the calls of all processes of an account are written down. It brings its own clock."""

    def reserve(
        self, key: str, windows: Sequence[RateWindow], patience: float, *, leaving: float | None = None
    ) -> Slot:
        """Take the next free slot of `key`: with a `wait` of 0 the call leaves now, else it queues.

        `leaving` is the time of the place it had in the queue, and gives that up. It may have to queue again, behind
        calls that left late. If the wait is more than `patience`, nothing is taken.
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
        key = self._key(endpoint)
        slot = self._log.reserve(key, endpoint.windows, self._patience)
        while slot.wait > 0:
            if slot.wait > self._patience:
                raise Throttled(
                    f"The limit of {endpoint.name!r} is used up for another {math.ceil(slot.wait)} s.",
                    retry_after=slot.wait,
                    status=None,
                )
            self._sleep(slot.wait)
            slot = self._log.reserve(key, endpoint.windows, self._patience, leaving=slot.at)

    def hold(self, endpoint: Endpoint, seconds: float) -> None:
        """The vendor said when it will take calls again (Retry-After)."""
        self._log.hold(self._key(endpoint), seconds)

    def _key(self, endpoint: Endpoint) -> str:
        return f"{self._name}/{endpoint.key}"


class MemorySlotLog:
    """The log of a single process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: defaultdict[str, list[float]] = defaultdict(list)
        self._queued: defaultdict[str, list[float]] = defaultdict(list)
        self._held: dict[str, float] = {}

    def reserve(
        self, key: str, windows: Sequence[RateWindow], patience: float, *, leaving: float | None = None
    ) -> Slot:
        with self._lock:
            now = self._clock()
            left, queued = self._left[key], self._queued[key]
            del left[: bisect_right(left, now - longest(windows))]
            if leaving is not None:
                queued.remove(leaving)
            deciding = left if leaving is not None else sorted(left + queued)
            nth = {n: deciding[-n] for n in offsets(windows) if n <= len(deciding)}
            slot = next_slot(now, self._held.get(key), nth, windows)
            if slot.wait == 0:
                left.append(slot.at)
            elif slot.wait <= patience:
                queued.append(slot.at)
            return slot

    def hold(self, key: str, seconds: float) -> None:
        with self._lock:
            self._held[key] = max(self._held.get(key, 0.0), self._clock() + seconds)


def offsets(windows: Sequence[RateWindow]) -> list[int]:
    """Which of the latest slots decide when the next one is: the newest, and the n-th newest of each window."""
    return [1, *(window.calls for window in windows)]


def next_slot(now: float, held: float | None, nth: Mapping[int, float], windows: Sequence[RateWindow]) -> Slot:
    """When the next call may leave.

    `held` is until when the vendor, at its last refusal, took no calls. `nth` holds the time of the n-th newest slot,
    where there is one.
    """
    careful = held is not None and now <= held + CAREFUL_SECONDS
    slowest = min(windows, key=lambda window: window.calls / window.seconds, default=None)
    earliest = max(now, now if held is None else held)
    if slowest is not None and 1 in nth:
        earliest = max(earliest, nth[1] + gap(slowest))
    for window in windows:
        if window.calls in nth:
            margin = MARGIN if window is slowest and not careful else WIDE_MARGIN
            earliest = max(earliest, nth[window.calls] + spaced(window, margin))
    wait = earliest - now
    return Slot(earliest, wait if wait > PRECISION_SECONDS else 0.0)


def gap(window: RateWindow) -> float:
    """Seconds between two calls of a window that decides the speed."""
    return window.seconds / window.calls / 2 if window.seconds < SHORT_SECONDS else 0.0


def spaced(window: RateWindow, margin: float = MARGIN) -> float:
    """The window's seconds with the margin."""
    return window.seconds + min(window.seconds * margin, LONGEST_MARGIN_SECONDS)


def longest(windows: Sequence[RateWindow]) -> float:
    """Slots older than this decide nothing any more."""
    return max((spaced(window, WIDE_MARGIN) for window in windows), default=0.0)


def floor_seconds(calls: Sequence[CallEstimate]) -> float:
    """The shortest time the vendor's windows allow for these calls, if calls themselves took none.

    Endpoints are limited separately, unless they share a bucket, and work at the same time, so the slowest decides.
    For 75/s and 750/min, 1,000 calls take 63 s: 750 in the first ten seconds, 250 in the four that follow a minute's
    start.
    """
    together: dict[str, CallEstimate] = {}
    for estimate in calls:
        key = estimate.endpoint.key
        before = together[key].calls if key in together else 0
        together[key] = CallEstimate(estimate.endpoint, before + estimate.calls)
    return max((_last_start(estimate.endpoint.windows, estimate.calls) for estimate in together.values()), default=0.0)


def _last_start(windows: Sequence[RateWindow], calls: int) -> float:
    starts: list[float] = []
    for number in range(calls):
        before = starts[-1] if starts else 0.0
        starts.append(max([before, *(starts[number - w.calls] + w.seconds for w in windows if number >= w.calls)]))
    return starts[-1] if starts else 0.0

"""Fixed rate windows, as vendors count them: so many calls in each second, minute or day of the clock."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` in each whole period of `seconds`, counted from the epoch."""

    calls: int
    seconds: int


@dataclass(slots=True)
class Verdict:
    """Whether a call may pass, what its first window has left, and when that window ends."""

    allowed: bool
    remaining: int
    reset: float
    retry_after: int = 0


class Windows:
    """Counters by key (account and endpoint). A refused call is not counted."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, int], tuple[int, int]] = {}
        self._lock = threading.Lock()

    def take(self, key: str, windows: Sequence[Window], now: float) -> Verdict:
        """Count a call, or refuse it with the whole seconds until every full window has ended (at least 1)."""
        with self._lock:
            counts = [self._count(key, window, now) for window in windows]
            full = [w for w, count in zip(windows, counts, strict=True) if count >= w.calls]
            first = windows[0]
            reset = _ends(first, now) - now
            if full:
                wait = max(_ends(window, now) - now for window in full)
                return Verdict(False, 0, reset, max(1, math.ceil(wait)))
            for window, count in zip(windows, counts, strict=True):
                self._counters[key, window.seconds] = (int(now // window.seconds), count + 1)
            return Verdict(True, first.calls - counts[0] - 1, reset)

    def _count(self, key: str, window: Window, now: float) -> int:
        period, count = self._counters.get((key, window.seconds), (0, 0))
        return count if period == int(now // window.seconds) else 0


def _ends(window: Window, now: float) -> float:
    return (now // window.seconds + 1) * window.seconds

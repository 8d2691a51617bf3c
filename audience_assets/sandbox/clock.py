"""The sandbox's time: real, or moved by hand so that windows and delays need no sleeping."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Seconds since 1970, UTC. Never goes backwards."""

    def now(self) -> float: ...


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()


class VirtualClock:
    """Stands still until it is advanced."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = (start or datetime(2026, 7, 15, 9, tzinfo=UTC)).timestamp()
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> float:
        """Move on and return the new time. Negative seconds are refused."""
        if seconds < 0:
            raise ValueError("a clock does not go backwards")
        with self._lock:
            self._now += seconds
            return self._now


def as_datetime(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)

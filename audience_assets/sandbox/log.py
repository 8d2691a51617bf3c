"""What was asked and answered, for the page and for tests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KEPT_ENTRIES = 20_000
KEPT_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class LoggedRequest:
    """One call and its answer. `status` 0 means that the connection broke before an answer.

    `path` includes the vendor's prefix, if one was used. Headers lack the credentials. Bodies are None
    once the log holds more than `KEPT_BYTES` of newer ones.
    """

    number: int
    at: float
    vendor: str
    account: str
    endpoint: str
    method: str
    path: str
    query_string: str
    status: int
    milliseconds: float
    rows: int | None
    fault: str
    headers: Mapping[str, str]
    body: bytes | None
    answer: bytes | None


class RequestLog:
    """The newest requests with their bodies, and counts over all of them."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=KEPT_ENTRIES)
        self._with_bodies: deque[LoggedRequest] = deque()
        self._bytes = 0
        self._total = 0
        self._counts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()

    def record(self, entry: LoggedRequest) -> None:
        with self._lock:
            self._total += 1
            entry.number = self._total
            self._counts[entry.endpoint, entry.status] += 1
            self._entries.append(entry)
            self._with_bodies.append(entry)
            self._bytes += _size(entry)
            while self._bytes > KEPT_BYTES or len(self._with_bodies) > KEPT_ENTRIES:
                oldest = self._with_bodies.popleft()
                self._bytes -= _size(oldest)
                oldest.body = oldest.answer = None

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._with_bodies.clear()
            self._counts.clear()
            self._bytes = self._total = 0

    def newest(self, count: int) -> list[LoggedRequest]:
        """At most `count` entries, newest first."""
        with self._lock:
            entries = reversed(self._entries)
            return [entry for entry, _ in zip(entries, range(count), strict=False)]

    def counts(self) -> dict[tuple[str, int], int]:
        """Calls by (endpoint, status), forgotten entries included."""
        with self._lock:
            return dict(self._counts)

    def __iter__(self) -> Iterator[LoggedRequest]:
        """Oldest first."""
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        """How many requests came in all."""
        return self._total


def _size(entry: LoggedRequest) -> int:
    return len(entry.body or b"") + len(entry.answer or b"")

"""Work that takes effect later: the agenda of an account, and the jobs that can be read back."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

IMPORT = "profile-bulk-import-job"
SUPPRESS = "profile-suppression-bulk-create-job"
UNSUPPRESS = "profile-suppression-bulk-delete-job"

EXPIRES_AFTER = 7 * 86_400


class Agenda:
    """Effects by the time they are due. They are carried out lazily, when the account is next looked at."""

    def __init__(self, seed: int) -> None:
        self._waiting: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, due: float, effect: Callable[[float], None], jitter: float = 0.0) -> float:
        """Plan an effect, which is called with the time it was due. Returns that time."""
        due += self._random.random() * jitter
        heapq.heappush(self._waiting, (due, next(self._order), effect))
        return due

    def settle(self, now: float) -> None:
        """Carry out everything due by now, in order."""
        while self._waiting and self._waiting[0][0] <= now:
            due, _, effect = heapq.heappop(self._waiting)
            effect(due)

    def last_due(self) -> float | None:
        """When the last planned effect is due; None when nothing is planned."""
        return max((due for due, _, _ in self._waiting), default=None)


@dataclass(slots=True)
class FailedRow:
    """Why one row of an import failed."""

    id: str
    code: str
    title: str
    detail: str
    pointer: str
    payload: dict[str, Any]


@dataclass(slots=True)
class Job:
    """An import or (un)suppression job. Its status follows from the clock. Times: seconds since 1970."""

    id: str
    kind: str
    created: float
    started: float
    finished: float
    total: int
    list_ids: list[str] = field(default_factory=list)
    segment_ids: list[str] = field(default_factory=list)
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    errors: list[FailedRow] = field(default_factory=list)
    profile_numbers: list[int] = field(default_factory=list)

    def status(self, now: float) -> str:
        if now < self.started:
            return "queued"
        return "processing" if now < self.finished else "complete"

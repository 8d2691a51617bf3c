"""Work that takes effect later, on the sandbox's clock."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable


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

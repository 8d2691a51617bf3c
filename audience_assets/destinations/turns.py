"""Who may write now: imports or removals of one list, never both at once.

An import that lands after a removal would put people back into the list, and one member's import may concern the very
profile that another member's removal has just looked up: an address that changed, a number that moved.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

IMPORTING = "importing"
REMOVING = "removing"


class Turns:
    """Any number of batches of one kind at once; the other kind waits until they are through."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._active: Counter[str] = Counter()

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: not any(count for other, count in self._active.items() if other != kind))
            self._active[kind] += 1
        try:
            yield
        finally:
            with self._free:
                self._active[kind] -= 1
                self._free.notify_all()

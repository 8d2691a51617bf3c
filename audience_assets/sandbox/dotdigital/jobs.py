"""Imports and removals: accepted at once, done later, asked after until then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

IMPORT, REMOVAL = "import", "removal"
FINISHED, WATCHDOG, TOO_MANY_CONTACTS, FAILED = "Finished", "RejectedByWatchdog", "ExceedsAllowedContactLimit", "Failed"


@dataclass(slots=True)
class Job:
    """One job. `perform` is called with the time it ends and returns the status it ends with."""

    id: str
    kind: str
    accepted: float
    rows: int
    perform: Callable[[Job, float], str]
    polls: int = 0
    status: str | None = None
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return self.status is not None

    def end(self, now: float) -> None:
        if self.status is None:
            self.status = self.perform(self, now)

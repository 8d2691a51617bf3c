"""Jobs that can be read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

IMPORT = "profile-bulk-import-job"
SUPPRESS = "profile-suppression-bulk-create-job"
UNSUPPRESS = "profile-suppression-bulk-delete-job"

EXPIRES_AFTER = 7 * 86_400


@dataclass(slots=True)
class FailedRow:
    """Why one row of an import failed."""

    id: str
    code: str
    title: str
    detail: str
    pointer: str
    payload: dict[str, Any] | None


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
    cancelled: bool = False

    def status(self, now: float) -> str:
        if self.cancelled:
            return "cancelled"
        if now < self.started:
            return "queued"
        return "processing" if now < self.finished else "complete"

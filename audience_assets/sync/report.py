"""What a sync planned and did: counts only, never a member's data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from audience_assets.destinations.base import CallEstimate, Route


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """Changes between the audience and the ledger. All are members (identifiers), not users, unless said."""

    audience_users: int  # users in the segment
    members_before: int  # accepted members in the ledger
    add: int
    update: int
    remove: int
    retry: int  # part of `add`: absent or rejected before and due again
    duplicates: int  # users who share an identifier with the member kept
    unidentified: int  # users without any mapped identifier, as of the first sync or the last `plan`

    @property
    def changes(self) -> int:
        return self.add + self.update + self.remove


@dataclass(frozen=True)
class Plan:
    """A plan, ready to deliver. `fingerprint` is set when a guard tripped; approving it lets this plan through."""

    activation: str
    sync: str
    counts: PlanCounts
    estimate: list[CallEstimate] = field(default_factory=list)
    floor_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    fingerprint: str | None = None
    list_facts: Mapping[str, str] = field(default_factory=dict)
    list_name: str = ""
    list_url: str | None = None
    list_exists: bool = False
    sample: list[dict[str, Any]] = field(default_factory=list)  # operation and identifier; only for `plan`
    routes: list[Route] = field(default_factory=list)  # ways to deliver it, where the service has several
    notes: list[str] = field(default_factory=list)  # what a person may want to decide; only for `plan`

    @property
    def route(self) -> str | None:
        """The way it takes, where the service has several."""
        return next((each.name for each in self.routes if each.chosen), None)


@dataclass(frozen=True, slots=True)
class RejectionCount:
    """Rows refused for one reason in this sync."""

    reason: str
    channel: str | None
    operation: str
    rows: int
    recheck: str
    detail: str | None  # one example of the vendor's words


@dataclass(frozen=True)
class SyncReport:
    """What one sync did."""

    sync: str
    activation: str
    destination: str
    list_id: str
    list_name: str
    list_url: str | None
    state: str  # "delivered" | "unchanged" | "partial" (some rows are decided anew next time)
    counts: PlanCounts
    added: int
    updated: int
    removed: int
    absent: int
    rejected: int
    retry: int
    channel_issues: int  # channels of accepted members that did not get through
    members_after: int
    calls: int
    floor_seconds: float
    seconds: float
    started_at: datetime
    rejections: list[RejectionCount] = field(default_factory=list)
    list_facts: Mapping[str, str] = field(default_factory=dict)
    route: str | None = None  # the way it was delivered, where the service has several
    kept: int = 0  # left the audience, but nothing can take them off the list
    overruled: list[str] = field(default_factory=list)  # what guards said of a plan that was approved
    recovered: int = 0  # members whose fate an interrupted sync had left open

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "started_at": self.started_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Progress:
    """Told after each acknowledged batch."""

    activation: str
    phase: str  # "planning" | "delivering" | "done"; "reading" while a list is reconciled
    done: int
    total: int
    floor_seconds: float
    list_name: str = ""
    list_facts: Mapping[str, str] = field(default_factory=dict)  # of the list that is delivered to, as found

"""Guards: a plan that looks wrong is stopped before its first call.

Nobody else's job catches a segment that lost half its members to a broken load: the vendor does what it is told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.errors import AudienceError
from audience_assets.project.activations import Guard
from audience_assets.sync.report import Plan, PlanCounts


class GuardTripped(AudienceError):
    """The plan was not delivered. Nothing was sent."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        reasons = "; ".join(plan.violations)
        super().__init__(
            f"{plan.activation}: stopped before the first call: {reasons}. Nothing was sent. If this is right, let "
            f"this very plan through with: audience-assets sync {plan.activation} --approve {plan.fingerprint}"
        )


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a guard looks at besides the counts."""

    computed_at: datetime | None  # when the segment was computed
    oldest_allowed: datetime | None
    members_delivered: int  # what the last answers of the vendor left in the list


def violations(guard: Guard, counts: PlanCounts, circumstances: Circumstances) -> list[str]:
    """Why this plan may not be delivered; empty if it may. A plan without changes harms nobody."""
    if not counts.changes:
        return []
    found: list[str] = []
    before, users = counts.members_before, counts.audience_users
    if users < guard.min_size:
        found.append(f"the audience has {users} users, fewer than min_size {guard.min_size}")
    if not before and circumstances.members_delivered:
        found.append(
            f"the ledger holds no members although the last sync left {circumstances.members_delivered} in the list"
        )
    # Some who are removed are members perhaps: refused, after an answer was lost.
    removed = min(counts.remove, before)
    if before and _percent(removed, before) > guard.max_removed_percent:
        found.append(
            f"{removed} of {before} members would be removed ({_percent(removed, before):.1f} %), "
            f"more than max_removed_percent {guard.max_removed_percent:g}"
        )
    # Whoever the vendor does not know is tried again every time: that changes nothing.
    added = counts.add - counts.retry
    changed = added + counts.remove
    if before and guard.max_change_percent is not None and _percent(changed, before) > guard.max_change_percent:
        found.append(
            f"{added} added and {counts.remove} removed would change {_percent(changed, before):.1f} % of "
            f"{before} members, more than max_change_percent {guard.max_change_percent:g}"
        )
    computed, oldest = circumstances.computed_at, circumstances.oldest_allowed
    if computed and oldest and computed < oldest:
        found.append(
            f"the segment was computed at {computed:%Y-%m-%d %H:%M} UTC, "
            f"older than max_source_age {guard.max_source_age}"
        )
    return found


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole


def fingerprint(connection: Connection, change: sa.Table) -> str:
    """Names exactly these changes, so that an approval can't let another plan through."""
    digest = hashlib.sha256()
    rows = connection.execution_options(yield_per=10_000).execute(
        sa.select(change.c.operation, change.c.identifier).order_by(change.c.operation, change.c.identifier)
    )
    for row in rows:
        digest.update(f"{row[0]}\x1f{row[1]}\x1e".encode())
    return digest.hexdigest()[:16]

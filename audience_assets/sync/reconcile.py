"""Comparing a list at the vendor with its ledger, and letting the next sync decide about those who are missing there.

    vendor's list ─stream▶ temporary table ─SQL─ ledger
                             │
      in both                │ nothing
      ours, not in the list  │ with `apply`: absent and due, so that the next sync decides as for an entrant
      not ours               │ nothing, ever

Nothing is written at the vendor. Somebody who is missing because they opted out is found opted out by the next sync,
which reads the vendor's consent before it subscribes anybody; somebody who was only taken off the list is added again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.planning import expect_large_joins
from audience_assets.destinations.base import ListRef, Recheck
from audience_assets.errors import AudienceError
from audience_assets.sync.diff import ABSENT, IN_DOUBT, IN_LIST, MAY_BE_LISTED, MEMBER
from audience_assets.sync.kept import expect_own_list
from audience_assets.sync.lease import Lease, hold_lease
from audience_assets.sync.plan import Planner
from audience_assets.sync.recovery import count_anew, recover
from audience_assets.sync.remote import Remote, remote_tables
from audience_assets.sync.report import Progress
from audience_assets.warehouse.state import ListTables

if TYPE_CHECKING:
    from audience_assets.runtime import Runtime

# Vendors apply what they accepted later: some after seconds to minutes, without a documented bound.
SETTLING = timedelta(hours=1)
IN_BOTH, MISSING, UNCONFIRMED, UNDECIDED = "in_both", "missing", "unconfirmed", "undecided"
READING = "reading"


class NeverDelivered(AudienceError):
    """There is no list to compare yet."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a list and its ledger have in common. Numbers of members.

    `unconfirmed` were never seen in a list that people join by confirming. `undecided` are in doubt, or were delivered
    so lately that the vendor may not have listed them yet; the next sync or reconciliation decides.
    """

    activation: str
    list_name: str
    list_url: str | None
    reconciled_at: datetime
    at_vendor: int
    in_both: int
    missing: int  # the ledger has them, the vendor's list no longer
    unconfirmed: int
    undecided: int
    not_ours: int  # in the vendor's list, and no row of the ledger stands for them
    asked_by_us: int  # part of them: opted in by us, and gone from the segment before they were in the list
    applied: bool
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "reconciled_at": self.reconciled_at.isoformat()}


def reconcile(
    runtime: Runtime,
    activation: str,
    *,
    apply: bool = False,
    settling: timedelta = SETTLING,
    progress: Callable[[Progress], None] | None = None,
) -> Reconciliation:
    """Compare the vendor's list with the ledger; `apply` opens the missing members again, in the ledger alone.

    Who was delivered within `settling` is not judged. Raises SyncBusy while a sync runs, NeverDelivered, ListMoved,
    ListMissing or another DestinationError.
    """
    started, planner = time.monotonic(), Planner(runtime, activation)
    expect_own_list(runtime, planner.activation)
    tables = planner.prepare()
    with hold_lease(runtime.engine, runtime.state.destination_list, activation) as lease:
        recover(planner, tables, lease)
        service, list_id, members = runtime.service(activation), _list_id(planner), _members(planner, tables)
        target = service.get_list(list_id)
        desired = planner.desired(tables)

        def told(read: int) -> None:
            if progress:
                progress(Progress(activation, READING, read, members, 0.0))

        told(0)
        at = runtime.now()
        with (
            runtime.engine.connect() as connection,
            remote_tables(connection, desired.identifier_kinds) as remote,
        ):
            remote.load(connection, service.members(target), told)
            with connection.begin():
                comparison = _Comparison(planner, tables, remote, target, at, settling)
                return comparison.conclude(connection, lease, started, apply=apply)


def _list_id(planner: Planner) -> str:
    registry = planner.runtime.state.destination_list
    with planner.runtime.engine.begin() as connection:
        found = connection.scalar(sa.select(registry.c.vendor_list_id).where(registry.c.activation == planner.name))
    if not found:
        raise NeverDelivered(
            f"{planner.name}: nothing was ever delivered, so there is no list to compare. "
            f"Start with: audience-assets sync {planner.name}"
        )
    return str(found)


def _members(planner: Planner, tables: ListTables) -> int:
    with planner.runtime.engine.begin() as connection:
        sizes = planner.known_sizes(connection, tables)
    return sum(sizes.get(status, 0) for status in IN_LIST)


@dataclass(frozen=True)
class _Comparison:
    planner: Planner
    tables: ListTables
    remote: Remote
    target: ListRef
    at: datetime
    settling: timedelta

    def conclude(self, connection: Connection, lease: Lease, started: float, *, apply: bool) -> Reconciliation:
        """Count, change the ledger if asked to, and record it; the caller commits."""
        lease.assert_held(connection)
        expect_large_joins(connection)
        self.remote.match(connection, self.tables.ledger, MAY_BE_LISTED)
        at_vendor, not_ours = self.remote.counts(connection)
        state = self.planner.runtime.state
        counts = self._count(connection)
        if apply:
            self._apply(connection)
        found = Reconciliation(
            activation=self.planner.name,
            list_name=self.target.name,
            list_url=self.target.url,
            reconciled_at=self.at,
            at_vendor=at_vendor,
            **{name: counts.get(name, 0) for name in (IN_BOTH, MISSING, UNCONFIRMED, UNDECIDED)},
            not_ours=not_ours,
            asked_by_us=self.remote.asked_by_us(connection, state.consent_log, self.planner.name),
            applied=apply,
            seconds=round(time.monotonic() - started, 3),
        )
        table = state.reconciliation
        values = {column.name: getattr(found, column.name) for column in table.columns}
        connection.execute(table.insert().values(**values))
        return found

    def _judged(self) -> sa.Subquery:
        """identifier and standing: what became of each member whom the ledger has in the list."""
        ledger, known = self.tables.ledger, self.remote.known
        listed = sa.select(known.c.identifier).distinct().subquery("listed")
        settled = sa.literal(self.at - self.settling, ledger.c.synced_at.type)
        unseen = [(ledger.c.listed_at.is_(None), UNCONFIRMED)] if self.target.confirms else []
        standing = sa.case(
            (ledger.c.status == IN_DOUBT, UNDECIDED),
            (listed.c.identifier.is_not(None), IN_BOTH),
            (ledger.c.synced_at > settled, UNDECIDED),
            *unseen,
            else_=MISSING,
        )
        # Joined: not every warehouse takes EXISTS elsewhere than in WHERE.
        pairs = ledger.outerjoin(listed, listed.c.identifier == ledger.c.identifier)
        query = sa.select(ledger.c.identifier, standing.label("standing")).select_from(pairs)
        return query.where(ledger.c.status.in_(IN_LIST)).subquery("judged")

    def _count(self, connection: Connection) -> dict[str, int]:
        judged = self._judged()
        query = sa.select(judged.c.standing, sa.func.count()).group_by(judged.c.standing)
        return {str(row[0]): int(row[1]) for row in connection.execute(query)}

    def _apply(self, connection: Connection) -> None:
        ledger, judged = self.tables.ledger, self._judged()
        missing = ledger.c.identifier.in_(sa.select(judged.c.identifier).where(judged.c.standing == MISSING))
        # Absent and due is what an entrant is whom the vendor did not know: a full addition, with consent read first.
        # Not seen any more: who must confirm again is not asked a second time.
        again = {"status": ABSENT, "recheck": Recheck.NEXT_SYNC.value, "due": 1, "listed_at": None}
        connection.execute(ledger.update().where(missing).values(**again))
        if self.target.confirms:
            seen = ledger.c.listed_at.is_(None) & (ledger.c.status == MEMBER) & self.remote.lists(ledger)
            connection.execute(ledger.update().where(seen).values(listed_at=self.at))
        count_anew(connection, self.planner, self.tables)

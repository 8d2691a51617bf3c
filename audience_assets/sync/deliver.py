"""Delivering a plan: batches in flight on worker threads, one thread that writes the journal.

    journal:   mark sent ─▶ (commit) ─▶ … ─▶ record answer ─▶ (commit)
    workers:                    └─ service.add/update/remove ─┘

A batch is marked sent, durably, before its first byte leaves, and answered in the transaction that records what
the vendor said. Whatever dies in between leaves a batch that is marked sent: its members are decided anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.destinations.base import (
    ListRef,
    ListService,
    Member,
    Operation,
    Outcome,
    Report,
    Status,
    Throttled,
    Unavailable,
)
from audience_assets.sync.acknowledge import PLANNED, Journal
from audience_assets.sync.lease import Lease
from audience_assets.sync.members import BatchRef, MemberReader
from audience_assets.sync.numbers import DELIVERED

# Vendors that take 75 calls a second answer in some 0.2 s: eight workers would use half of that. More than this leave
# in bunches when the machine is busy, and draw 429s.
IN_FLIGHT = 16
# A vendor that fails this many batches in a row is down; the rest waits for the next sync.
GIVE_UP_AFTER = 3


@dataclass
class Delivery:
    """What a delivery came to. `fatal` is the error that stopped it, to be raised once the answers are merged."""

    calls: int = 0
    delivered: int = 0
    failures_in_a_row: int = 0
    retriable: Exception | None = None
    fatal: BaseException | None = None
    retry_after: float | None = None

    @property
    def stopped(self) -> bool:
        return self.fatal is not None or self.failures_in_a_row >= GIVE_UP_AFTER


@dataclass
class Deliverer:
    """Delivers the planned batches of one sync."""

    engine: Engine
    journal: Journal
    lease: Lease
    service: ListService
    target: ListRef
    progress: Callable[[int], None]
    result: Delivery = field(default_factory=Delivery)

    def run(self) -> Delivery:
        """Send every planned batch. Returns when all are answered, or when the vendor made going on pointless."""
        planned = self._planned()
        running: dict[Future[Report], BatchRef] = {}
        # One more than is in flight, so that no worker waits for the journal.
        most = IN_FLIGHT + 1
        with (
            ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="deliver") as pool,
            MemberReader(self.engine, self.journal.tables, planned, ahead=most) as reader,
        ):
            running.update(self._start(pool, reader.take(most), []))
            while running:
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                answers = [
                    (batch, report)
                    for batch, report in ((running.pop(future), self._answer(future)) for future in finished)
                    if report is not None
                ]
                room = 0 if self.result.stopped else most - len(running)
                running.update(self._start(pool, reader.take(room), answers))
                self.result.delivered += sum(
                    len(report.outcomes) or batch.last - batch.number + 1 for batch, report in answers
                )
                self.progress(self.result.delivered)
        return self.result

    def _planned(self) -> Sequence[BatchRef]:
        batch = self.journal.state.batch
        query = (
            sa.select(batch.c.number, batch.c.operation, batch.c.last)
            .where(
                batch.c.sync == self.journal.sync,
                batch.c.status == PLANNED,
                batch.c.operation.in_([str(operation) for operation in DELIVERED]),
            )
            .order_by(batch.c.number)
        )
        with self.engine.begin() as connection:
            return [BatchRef(int(row[0]), Operation(row[1]), int(row[2])) for row in connection.execute(query)]

    def _start(
        self,
        pool: ThreadPoolExecutor,
        batches: Sequence[tuple[BatchRef, list[Member]]],
        answers: Sequence[tuple[BatchRef, Report]],
    ) -> dict[Future[Report], BatchRef]:
        """Record answers and mark the next batches sent in one transaction, then hand those to the workers.

        The batches were read before: whoever holds the lease now has held it then, so they are of this plan.
        """
        with self.engine.begin() as connection:
            self.lease.assert_held(connection)
            for batch, report in answers:
                self.journal.acknowledge(connection, batch.number, batch.operation.value, report)
            self.journal.mark_sent(connection, [batch.number for batch, _ in batches])
        return {pool.submit(self._send, batch, members): batch for batch, members in batches}

    def _send(self, batch: BatchRef, members: Sequence[Member]) -> Report:
        call = {
            Operation.ADD: self.service.add,
            Operation.UPDATE: self.service.update,
            Operation.REMOVE: self.service.remove,
        }[batch.operation]
        try:
            return call(self.target, members)
        except (Throttled, Unavailable) as error:
            self.result.retriable = error
            if isinstance(error, Throttled):
                self.result.retry_after = error.retry_after
            return Report([Outcome(member.identifier, Status.RETRY) for member in members], calls=1)

    def _answer(self, future: Future[Report]) -> Report | None:
        """The report of a finished batch; None if an error stops the sync, which leaves the batch's fate open."""
        error = future.exception()
        if error is not None:
            self.result.fatal = self.result.fatal or error
            return None
        report = future.result()
        self.result.calls += report.calls
        retried = bool(report.outcomes) and all(outcome.status is Status.RETRY for outcome in report.outcomes)
        self.result.failures_in_a_row = self.result.failures_in_a_row + 1 if retried else 0
        return report

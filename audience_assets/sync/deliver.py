"""Delivering a plan: batches in flight on worker threads, one thread that writes the journal.

    journal:   mark sent ─▶ (commit) ─▶ … ─▶ record answer ─▶ (commit)
    workers:                    └─ service.add/update/remove ─┘

A batch is marked sent, durably, before its first byte leaves, and answered in the transaction that records what
the vendor said. Whatever dies in between leaves a batch that is marked sent: its members are decided anew.

A service that gathers batches, e.g. into a file, has them answered when the file is delivered, which takes no worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.destinations.base import (
    Gathers,
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
# Of large batches fewer are in flight, and fewer are read ahead: what a member takes is some 500 bytes, and as much
# again while it is on its way.
MOST_MEMBERS_IN_FLIGHT = 40_000
MOST_MEMBERS_AHEAD = 20_000
# A vendor that fails this many batches in a row is down; the rest waits for the next sync.
GIVE_UP_AFTER = 3
# Answers are gathered for as long as a commit takes, but a slow database must not keep workers waiting.
LONGEST_GATHERING_SECONDS = 0.02

# A batch and how many members it has.
Sized = tuple[BatchRef, int]


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


@dataclass(frozen=True, slots=True)
class Room:
    """How many more batches, and how many more members, may be in flight."""

    batches: int = 0
    members: int = 0

    @classmethod
    def beside(cls, running: Collection[Sized]) -> Room:
        # One more than there are workers, so that none waits for the journal.
        return cls(IN_FLIGHT + 1 - len(running), MOST_MEMBERS_IN_FLIGHT - sum(size for _, size in running))

    @property
    def is_left(self) -> bool:
        return self.batches > 0 and self.members > 0


@dataclass(frozen=True, slots=True)
class Answered:
    """A batch that the vendor answered."""

    batch: BatchRef
    members: int
    report: Report


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
    # Seconds that the last commit of the journal took.
    committing: float = 0.0
    # Batches that were gathered, by the delivery that decides about them.
    gathered: dict[Future[None], list[Answered]] = field(default_factory=dict)

    def run(self) -> Delivery:
        """Send every planned batch. Returns when all are answered, or when the vendor made going on pointless."""
        try:
            self._send_all(self._planned())
            if isinstance(self.service, Gathers) and not self.result.stopped:
                self._flush(self.service)
        finally:
            if isinstance(self.service, Gathers):
                self.service.discard()
        return self.result

    def _send_all(self, planned: Sequence[BatchRef]) -> None:
        running: dict[Future[Report], Sized] = {}
        answers: list[Answered] = []
        with (
            ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="deliver") as pool,
            MemberReader(self.engine, self.journal.tables, planned, ahead=MOST_MEMBERS_AHEAD) as reader,
        ):
            while True:
                room = Room() if self.result.stopped else Room.beside(running.values())
                running |= self._start(pool, reader.take(room.batches, room.members), answers)
                if not running:
                    break
                answers = self._answers(running, at_once=not reader.exhausted and Room.beside(running.values()).is_left)

    def _flush(self, service: Gathers) -> None:
        """Deliver what is gathered last, unless another sync has taken the list over."""
        with self.engine.begin() as connection:
            self.lease.assert_held(connection)
        self.result.calls += service.flush()
        self._record([], self._settled())

    def _planned(self) -> list[BatchRef]:
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
        answers: Sequence[Answered],
    ) -> dict[Future[Report], Sized]:
        """Record answers and mark the next batches sent in one transaction, then hand those to the workers.

        The batches were read before: whoever holds the lease now has held it then, so they are of this plan.
        """
        self._record([batch.number for batch, _ in batches], answers)
        return {pool.submit(self._send, batch, members): (batch, len(members)) for batch, members in batches}

    def _record(self, sent: Sequence[int], answers: Sequence[Answered]) -> None:
        if sent or answers:
            started = time.monotonic()
            with self.engine.begin() as connection:
                self.lease.assert_held(connection)
                for answer in answers:
                    batch = answer.batch
                    self.journal.acknowledge(connection, batch.number, batch.operation.value, answer.report)
                self.journal.close(connection, [answer.batch.number for answer in answers])
                self.journal.mark_sent(connection, sent)
            self.committing = time.monotonic() - started
        if answers:
            self.result.delivered += sum(answer.members for answer in answers)
            self.progress(self.result.delivered)

    def _send(self, batch: BatchRef, members: Sequence[Member]) -> Report:
        call = {
            Operation.ADD: self.service.add,
            Operation.UPDATE: self.service.update,
            Operation.REMOVE: self.service.remove,
        }[batch.operation]
        try:
            return call(self.target, members)
        except (Throttled, Unavailable) as error:
            self._note_outage(error)
            return Report([Outcome(member.identifier, Status.RETRY) for member in members], calls=1)

    def _answers(self, running: dict[Future[Report], Sized], *, at_once: bool) -> list[Answered]:
        """What has been answered, waiting for one unless `at_once`. A batch whose error stops the sync stays open."""
        wait(running, timeout=0 if at_once else None, return_when=FIRST_COMPLETED)
        if not at_once:
            # Whoever answers meanwhile shares the next commit, which takes about as long.
            time.sleep(min(self.committing, LONGEST_GATHERING_SECONDS))
        finished = [future for future in running if future.done()]
        answers = []
        for future in finished:
            batch, members = running.pop(future)
            error = future.exception()
            if error is not None:
                self.result.fatal = self.result.fatal or error
                continue
            report = future.result()
            self.result.calls += report.calls
            if report.delivery is None:
                self._note_failures(report)
                answers.append(Answered(batch, members, report))
            else:
                self.gathered.setdefault(report.delivery, []).append(Answered(batch, members, report))
        return answers + self._settled()

    def _settled(self) -> list[Answered]:
        """The gathered batches of deliveries that succeeded. Of one that failed they stay open, to be decided anew."""
        answers: list[Answered] = []
        for delivery in [each for each in self.gathered if each.done()]:
            batches = self.gathered.pop(delivery)
            error = delivery.exception()
            if error is None:
                self.result.failures_in_a_row = 0
                answers += batches
            elif isinstance(error, Throttled | Unavailable):
                # Batches of one delivery may come in after each other, with the same error.
                self.result.failures_in_a_row += error is not self.result.retriable
                self._note_outage(error)
            else:
                self.result.fatal = self.result.fatal or error
        return answers

    def _note_outage(self, error: Throttled | Unavailable) -> None:
        self.result.retriable = error
        if isinstance(error, Throttled):
            self.result.retry_after = error.retry_after

    def _note_failures(self, report: Report) -> None:
        retried = bool(report.outcomes) and all(outcome.status is Status.RETRY for outcome in report.outcomes)
        self.result.failures_in_a_row = self.result.failures_in_a_row + 1 if retried else 0

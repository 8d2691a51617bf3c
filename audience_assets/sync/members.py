"""Reading the members of planned batches, ahead of the workers that send them."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.destinations.base import Evidence, Member, Operation
from audience_assets.warehouse.state import ListTables

# What a change row knows of each channel, in the order of `Evidence`.
EVIDENCE = ("status", "at", "own", "own_address")


@dataclass(frozen=True, slots=True)
class BatchRef:
    number: int
    operation: Operation
    last: int

    @property
    def size(self) -> int:
        return self.last - self.number + 1


class MemberReader:
    """Hands out batches in order with their members, and reads some ahead, of `ahead` members, in a thread of its own.

    The last batch to be read, or taken, may go beyond such a number of members: otherwise a large one never would be.
    """

    def __init__(self, engine: Engine, tables: ListTables, batches: Sequence[BatchRef], *, ahead: int) -> None:
        self._engine = engine
        self._rows = {operation: MemberRows(tables, operation) for operation in Operation}
        self._open = deque(batches)
        self._ahead = ahead
        self._read: deque[tuple[BatchRef, Future[list[Member]]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read")

    def __enter__(self) -> Self:
        self._top_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    @property
    def exhausted(self) -> bool:
        """All batches were taken."""
        return not self._read

    def take(self, count: int, members: int) -> list[tuple[BatchRef, list[Member]]]:
        """The next batches, at most `count` of about `members`: what is read by now, but one, unless all were taken."""
        taken: list[tuple[BatchRef, list[Member]]] = []
        while len(taken) < count and members > 0 and self._read and (not taken or self._read[0][1].done()):
            batch, future = self._read.popleft()
            taken.append((batch, future.result()))
            members -= batch.size
        self._top_up()
        return taken

    def _top_up(self) -> None:
        ahead = sum(batch.size for batch, _ in self._read)
        while self._open and ahead < self._ahead:
            batch = self._open.popleft()
            ahead += batch.size
            self._read.append((batch, self._thread.submit(self._members, batch)))

    def _members(self, batch: BatchRef) -> list[Member]:
        # Read-only: SQLite's one write lock is the journal's.
        with self._engine.connect().execution_options(read_only=True) as connection, connection.begin():
            return self._rows[batch.operation].read(connection, batch)


class MemberRows:
    """The rows of one operation's batches as members. Made once: what is done here for each row is what delivery costs.

    A row is: mapped columns, what was acknowledged before (if the operation has that), identifier, vendor id, evidence.
    """

    def __init__(self, tables: ListTables, operation: Operation) -> None:
        change = tables.change
        self._names = [column.attribute for column in tables.columns]
        self._channels = tables.channels
        columns = [change.c[column.column] for column in tables.columns]
        if operation is not Operation.ADD:
            columns += [change.c[column.previous] for column in tables.columns]
        self._values = len(columns)
        columns += [change.c.identifier, change.c.vendor_id]
        columns += [change.c[f"{channel}_{part}"] for channel in tables.channels for part in EVIDENCE]
        wanted = change.c.seq.between(sa.bindparam("first"), sa.bindparam("last"))
        self._query = sa.select(*columns).where(wanted).order_by(change.c.seq)

    def read(self, connection: Connection, batch: BatchRef) -> list[Member]:
        """The members of one batch, in order."""
        names, identifier, vendor_id = self._names, self._values, self._values + 1
        with _collector_paused():
            rows = connection.execute(self._query, {"first": batch.number, "last": batch.last}).all()
            # Pairs end with the shorter of the two, `names`.
            members = [Member(row[identifier], dict(zip(names, row, strict=False)), row[vendor_id]) for row in rows]
            if self._values > len(names):
                for member, row in zip(members, rows, strict=True):
                    member.previous = dict(zip(names, row[len(names) :], strict=False))
            for place, channel in enumerate(self._channels):
                start = self._values + 2 + place * len(EVIDENCE)
                for member, row in zip(members, rows, strict=True):
                    member.evidence[channel] = Evidence(*row[start : start + len(EVIDENCE)])
        return members


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection while thousands of objects are made that all stay: it is half of the time otherwise."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()

"""One writer per list: a lease with a fencing number, so that a run that lost it can write nothing."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.errors import AudienceError

LEASE = timedelta(seconds=60)
HEARTBEAT_SECONDS = 15.0
# On one machine a living owner keeps its lease through a long statement; beyond this it counts as hung.
HUNG = timedelta(minutes=10)
# Owners in this process. In a container every process may have the number that a dead one had.
_ours: set[str] = set()


class SyncBusy(AudienceError):
    """Another sync holds this list."""


class LeaseLost(AudienceError):
    """Another sync took this list over; nothing more was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease. Every write to the list's state goes through `assert_held` in its own transaction."""

    table: sa.Table
    activation: str
    fence: int
    # The heartbeat's update must not be under way when a plan's transaction begins: Postgres would call it a conflict.
    _turn: threading.Lock = field(default_factory=threading.Lock, compare=False)

    def assert_held(self, connection: Connection) -> None:
        """Prolong the lease, or raise LeaseLost so that the surrounding transaction is rolled back."""
        mine = (self.table.c.activation == self.activation) & (self.table.c.fence == self.fence)
        with self._turn:
            held = connection.execute(self.table.update().where(mine).values(lease_until=datetime.now(UTC) + LEASE))
        if held.rowcount != 1:
            raise LeaseLost(f"{self.activation}: another sync took this list over; this one stopped without writing.")

    def beat(self, engine: Engine) -> None:
        """Prolong the lease in a transaction of its own."""
        mine = (self.table.c.activation == self.activation) & (self.table.c.fence == self.fence)
        with engine.connect() as connection:
            # Before the turn: on SQLite this waits for the write lock, and who has that may be waiting for the turn.
            transaction = connection.begin()
            with self._turn:
                connection.execute(self.table.update().where(mine).values(lease_until=datetime.now(UTC) + LEASE))
                transaction.commit()


@contextmanager
def hold_lease(engine: Engine, table: sa.Table, activation: str) -> Iterator[Lease]:
    """Take the list's lease, keep it alive, and give it back. Raises SyncBusy if it is held."""
    owner = f"{socket.gethostname()}|{os.getpid()}|{uuid.uuid4().hex[:8]}"
    _ours.add(owner)
    try:
        lease = Lease(table, activation, _acquire(engine, table, activation, owner))
    except BaseException:
        _ours.discard(owner)
        raise
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(engine, lease, stop), name=f"lease-{activation}", daemon=True)
    beat.start()
    try:
        yield lease
    finally:
        stop.set()
        beat.join()
        _ours.discard(owner)
        mine = (table.c.activation == activation) & (table.c.fence == lease.fence)
        with engine.begin() as connection:
            connection.execute(table.update().where(mine).values(lease_owner=None, lease_until=None))


def _acquire(engine: Engine, table: sa.Table, activation: str, owner: str) -> int:
    now = datetime.now(UTC)
    with engine.begin() as connection:
        row = connection.execute(
            sa.select(table.c.fence, table.c.lease_owner, table.c.lease_until).where(table.c.activation == activation)
        ).one()
        if row.lease_owner and _is_held(row.lease_owner, row.lease_until, now):
            raise SyncBusy(
                f"{activation}: a sync of this list is running (started by {_readable(row.lease_owner)}). "
                "Wait for it to end."
            )
        # An owner that was silent while it planned may just have prolonged its lease.
        mine = (table.c.activation == activation) & (table.c.fence == row.fence)
        mine &= table.c.lease_until.is_not_distinct_from(row.lease_until)
        taken = connection.execute(
            table.update().where(mine).values(fence=row.fence + 1, lease_owner=owner, lease_until=now + LEASE)
        )
        if taken.rowcount != 1:
            raise SyncBusy(f"{activation}: another sync of this list has just started. Wait for it to end.")
    return int(row.fence) + 1


def _is_held(owner: str, until: datetime, now: datetime) -> bool:
    host, pid, _ = owner.split("|")
    if host == socket.gethostname():
        # A killed run on this machine must not block the next one until its lease ends.
        alive = owner in _ours if int(pid) == os.getpid() else _is_alive(int(pid))
        return alive and until + HUNG > now
    return until > now


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _readable(owner: str) -> str:
    host, pid, _ = owner.split("|")
    return f"process {pid} on {host}"


def _beat(engine: Engine, lease: Lease, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            lease.beat(engine)
        except sa.exc.OperationalError:
            # A busy database is tried again at the next beat. Losing the lease is noticed by the next write.
            continue

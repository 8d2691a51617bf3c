"""The log of reserved calls in SQL: one quota for every process that uses a vendor account.

The log has a database of its own beside the state, except on Postgres: a long plan holds SQLite's only write lock,
and calls must not wait for it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.engine import Engine

from audience_assets.destinations.base import RateWindow
from audience_assets.destinations.limits import Slot, SlotLog, longest, next_slot, offsets
from audience_assets.errors import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_TIMEOUT_SECONDS = 60.0
Execute = Callable[[str, tuple[Any, ...]], Any]


def open_slot_log(warehouse: Engine, directory: Path, *, schema: str = "audience_assets") -> SlotLog:
    """The log that every process of this project shares: Postgres tables in `schema`, else a file in `directory`."""
    if warehouse.dialect.name == "postgresql":
        return PostgresSlotLog(warehouse, schema)
    return SqliteSlotLog(directory / "audience_assets_calls.db")


class _SqlSlotLog:
    """The statements both databases share.

    `slots` and `holds` are table names, `mark` the parameter's sign, `row` names one row among equal ones.
    """

    def __init__(self, slots: str, holds: str, mark: str, row: str) -> None:
        deciding = f"WHERE key = {mark} AND has_left >= {mark}"
        self._nth_slot = f"(SELECT at FROM {slots} {deciding} ORDER BY at DESC LIMIT 1 OFFSET {{offset}})"
        self._held_until = f"(SELECT until FROM {holds} WHERE key = {mark})"
        self._insert = f"INSERT INTO {slots} (key, at, has_left) VALUES ({mark}, {mark}, {mark})"
        one = f"(SELECT {row} FROM {slots} WHERE key = {mark} AND at = {mark} AND has_left = 0 LIMIT 1)"
        self._give_up = f"DELETE FROM {slots} WHERE {row} = {one}"
        self._prune = f"DELETE FROM {slots} WHERE key = {mark} AND (at < {mark} OR at > {mark})"
        self._hold = (
            f"INSERT INTO {holds} (key, until) VALUES ({mark}, {mark}) "
            f"ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE {holds}.until < excluded.until"
        )

    def _reserve(
        self,
        execute: Execute,
        now: float,
        key: str,
        windows: Sequence[RateWindow],
        patience: float,
        leaving: float | None,
    ) -> Slot:
        # Slots beyond what anybody waits for come from a clock that was set back.
        execute(self._prune, (key, now - longest(windows), now + patience))
        if leaving is not None:
            execute(self._give_up, (key, leaving))
        wanted = offsets(windows)
        nth_slots = [self._nth_slot.format(offset=n - 1) for n in wanted]
        query = f"SELECT {', '.join([*nth_slots, self._held_until])}"
        *found, held = execute(query, (*(key, int(leaving is not None)) * len(wanted), key)).fetchone()
        nth = {n: at for n, at in zip(wanted, found, strict=True) if at is not None}
        slot = next_slot(now, held, nth, windows)
        if slot.wait <= patience:
            execute(self._insert, (key, slot.at, int(slot.wait == 0)))
        return slot


class SqliteSlotLog(_SqlSlotLog):
    """A file of its own. One connection a process; other processes wait in BEGIN IMMEDIATE."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__("call", "hold", "?", "rowid")
        self._clock = clock
        self._lock = threading.Lock()
        self._told = f"The log of vendor calls, {path}, can't be written"
        path.parent.mkdir(parents=True, exist_ok=True)
        with _told(sqlite3.Error, self._told):
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, self._connection.close)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # A power cut may lose the last slots; by then the vendor's windows have passed.
            self._connection.execute("PRAGMA synchronous=OFF")
        with self._transaction() as execute:
            execute(
                "CREATE TABLE IF NOT EXISTS call (key TEXT NOT NULL, at REAL NOT NULL, has_left INTEGER NOT NULL)", ()
            )
            execute("CREATE INDEX IF NOT EXISTS call_key_at ON call (key, at)", ())
            execute("CREATE TABLE IF NOT EXISTS hold (key TEXT PRIMARY KEY, until REAL NOT NULL)", ())

    def reserve(
        self, key: str, windows: Sequence[RateWindow], patience: float, *, leaving: float | None = None
    ) -> Slot:
        with self._transaction() as execute:
            return self._reserve(execute, self._clock(), key, windows, patience, leaving)

    def hold(self, key: str, seconds: float) -> None:
        with self._transaction() as execute:
            execute(self._hold, (key, self._clock() + seconds))

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        with self._lock, _told(sqlite3.Error, self._told):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


class PostgresSlotLog(_SqlSlotLog):
    """Two tables in our schema. The server's clock is the only one, so processes may run on several machines."""

    def __init__(self, engine: Engine, schema: str) -> None:
        quoted = engine.dialect.identifier_preparer.quote(schema)
        super().__init__(f"{quoted}.call_at", f"{quoted}.call_hold", "%s", "ctid")
        self._engine = engine
        with self._transaction(f"create {schema}") as execute:
            self._create(execute, quoted)

    @staticmethod
    def _create(execute: Execute, schema: str) -> None:
        """What is there is not made: IF NOT EXISTS asks for the right to create all the same."""
        if not _exists(execute, "to_regnamespace", schema):
            execute(f"CREATE SCHEMA {schema}", ())
        if not _exists(execute, "to_regclass", f"{schema}.call_hold"):
            columns = "key text NOT NULL, at double precision NOT NULL, has_left smallint NOT NULL"
            execute(f"CREATE TABLE {schema}.call_at ({columns})", ())
            execute(f"CREATE INDEX call_at_key ON {schema}.call_at (key, at)", ())
            columns = "key text PRIMARY KEY, until double precision NOT NULL"
            execute(f"CREATE TABLE {schema}.call_hold ({columns})", ())

    def reserve(
        self, key: str, windows: Sequence[RateWindow], patience: float, *, leaving: float | None = None
    ) -> Slot:
        with self._transaction(key) as execute:
            return self._reserve(execute, _server_time(execute), key, windows, patience, leaving)

    def hold(self, key: str, seconds: float) -> None:
        with self._transaction(key) as execute:
            execute(self._hold, (key, _server_time(execute) + seconds))

    @contextmanager
    def _transaction(self, key: str) -> Iterator[Execute]:
        """One key at a time, in all processes. The lock ends with the transaction."""
        with (
            _told(psycopg.Error, "The warehouse refused to log a vendor call"),
            closing(self._engine.raw_connection()) as connection,
            closing(connection.cursor()) as cursor,
        ):

            def execute(statement: str, parameters: tuple[Any, ...]) -> Any:
                cursor.execute(statement, parameters)
                return cursor

            try:
                execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"audience_assets call {key}",))
                yield execute
                connection.commit()
            except psycopg.OperationalError:
                # The server has gone away. The pool would try to roll back, and log how that failed.
                connection.invalidate()
                raise
            except BaseException:
                connection.rollback()
                raise


@contextmanager
def _told(kind: type[Exception], what: str) -> Iterator[None]:
    """Statements here pass SQLAlchemy by, whose errors the command line knows."""
    try:
        yield
    except kind as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise WarehouseError(f"{what}: {lines[0]}") from error


def _exists(execute: Execute, function: str, name: str) -> bool:
    return execute(f"SELECT {function}(%s) IS NOT NULL", (name,)).fetchone()[0] is True


def _server_time(execute: Execute) -> float:
    return float(execute("SELECT extract(epoch FROM clock_timestamp())", ()).fetchone()[0])

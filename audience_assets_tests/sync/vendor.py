"""A vendor of the plainest kind, kept in a SQLite file so that it outlives a killed process.

It stands beside the sandboxes: they are faithful to one vendor, this one shows what the engine does with any.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from audience_assets.destinations.base import (
    CallEstimate,
    Connection,
    ConsentWrite,
    DestinationType,
    Endpoint,
    Finding,
    Issue,
    ListMissing,
    ListRef,
    Member,
    Operation,
    Outcome,
    RateWindow,
    Recheck,
    RemoteMember,
    Report,
    ServiceSpec,
    Status,
    Unavailable,
)

CALL = Endpoint("call", (RateWindow(1_000_000, 1.0),))


class Settings(BaseModel):
    path: str


class Options(BaseModel):
    consent: bool = False


class PlainVendor:
    """The list service. Rules live in the file: unknown contacts, bad ones, faults by call number."""

    def __init__(self, path: Path, *, consent: bool = False) -> None:
        self.path = path
        self.consent = consent
        self._lock = threading.Lock()
        with self._db() as db:
            db.executescript(
                """
                CREATE TABLE IF NOT EXISTS list (id TEXT PRIMARY KEY, name TEXT);
                CREATE TABLE IF NOT EXISTS member (
                    list TEXT, identifier TEXT, document TEXT, PRIMARY KEY (list, identifier));
                CREATE TABLE IF NOT EXISTS unknown (identifier TEXT PRIMARY KEY);
                CREATE TABLE IF NOT EXISTS bad (identifier TEXT PRIMARY KEY);
                CREATE TABLE IF NOT EXISTS another (identifier TEXT PRIMARY KEY);
                CREATE TABLE IF NOT EXISTS fault (call INTEGER PRIMARY KEY, kind TEXT);
                CREATE TABLE IF NOT EXISTS call (
                    number INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT, size INTEGER, identifiers TEXT);
                """
            )

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        with self._lock, closing(sqlite3.connect(self.path, timeout=60)) as db, db:
            # What is committed outlives a killed process, and need not outlive a machine.
            db.execute("PRAGMA synchronous=OFF")
            yield db

    # -- what a test arranges and reads -------------------------------------------------------------------------------

    def forget(self, *identifiers: str) -> None:
        """Make contacts unknown to the vendor."""
        with self._db() as db:
            db.executemany("INSERT OR IGNORE INTO unknown VALUES (?)", [(i,) for i in identifiers])

    def learn(self, *identifiers: str) -> None:
        with self._db() as db:
            db.executemany("DELETE FROM unknown WHERE identifier = ?", [(i,) for i in identifiers])

    def refuse(self, *identifiers: str) -> None:
        with self._db() as db:
            db.executemany("INSERT OR IGNORE INTO bad VALUES (?)", [(i,) for i in identifiers])

    def take_for_another(self, *identifiers: str) -> None:
        """These contacts can't be updated as whom they were added any more."""
        with self._db() as db:
            db.executemany("INSERT OR IGNORE INTO another VALUES (?)", [(i,) for i in identifiers])

    def fail(self, faults: dict[int, str]) -> None:
        """Call number (from 1) -> "before" or "after" applying, or "kill_before" / "kill_after" the process."""
        with self._db() as db:
            db.executemany("INSERT OR REPLACE INTO fault VALUES (?, ?)", list(faults.items()))

    def held(self) -> dict[str, dict[str, object]]:
        with self._db() as db:
            return {row[0]: json.loads(row[1]) for row in db.execute("SELECT identifier, document FROM member")}

    def calls(self) -> list[tuple[str, int]]:
        with self._db() as db:
            return [(row[0], row[1]) for row in db.execute("SELECT operation, size FROM call ORDER BY number")]

    def delete_list(self) -> None:
        with self._db() as db:
            db.execute("DELETE FROM list")
            db.execute("DELETE FROM member")

    def rename_list(self, old: str, new: str) -> None:
        with self._db() as db:
            db.execute("UPDATE list SET name = ? WHERE name = ?", (new, old))

    # -- the interface --------------------------------------------------------------------------------------------

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        yield Finding("reachable", True, f"list {list_name}")

    def find_list(self, name: str) -> ListRef | None:
        with self._db() as db:
            row = db.execute("SELECT id FROM list WHERE name = ?", (name,)).fetchone()
        return ListRef(row[0], name) if row else None

    def get_list(self, list_id: str) -> ListRef:
        with self._db() as db:
            row = db.execute("SELECT name FROM list WHERE id = ?", (list_id,)).fetchone()
        if row is None:
            raise ListMissing("the list is gone", status=404)
        return ListRef(list_id, row[0])

    def ensure_list(self, name: str) -> ListRef:
        found = self.find_list(name)
        if found:
            return found
        with self._db() as db:
            db.execute("INSERT INTO list VALUES (?, ?)", (f"id-{name}", name))
        return ListRef(f"id-{name}", name, created=True)

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._apply("add", target, members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._apply("update", target, members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._apply("remove", target, members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        with self._db() as db:
            held = [row[0] for row in db.execute("SELECT identifier FROM member WHERE list = ?", (target.id,))]
        for identifier in held:
            yield RemoteMember(identifier, {"email": identifier})

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        return [CallEstimate(CALL, sum(-(-count // BATCH) for count in (adds, updates, removes)))]

    def _apply(self, operation: str, target: ListRef, members: Sequence[Member]) -> Report:
        with self._db() as db:
            identifiers = json.dumps([m.identifier for m in members])
            cursor = db.execute(
                "INSERT INTO call (operation, size, identifiers) VALUES (?, ?, ?)",
                (operation, len(members), identifiers),
            )
            fault = db.execute("SELECT kind FROM fault WHERE call = ?", (cursor.lastrowid,)).fetchone()
        kind = fault[0] if fault else ""
        _strike(kind, "before")
        outcomes = self._write(operation, target, members)
        _strike(kind, "after")
        return Report(outcomes, calls=1)

    def _write(self, operation: str, target: ListRef, members: Sequence[Member]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with self._db() as db:
            for member in members:
                outcome = self._judge(db, operation, member)
                outcomes.append(outcome)
                if outcome.status is not Status.ACCEPTED:
                    continue
                if operation == "remove":
                    db.execute("DELETE FROM member WHERE list = ? AND identifier = ?", (target.id, member.identifier))
                else:
                    document = json.dumps(member.values, default=str)
                    db.execute(
                        "INSERT OR REPLACE INTO member VALUES (?, ?, ?)", (target.id, member.identifier, document)
                    )
        return outcomes

    def _judge(self, db: sqlite3.Connection, operation: str, member: Member) -> Outcome:
        key = (member.identifier,)
        if db.execute("SELECT 1 FROM unknown WHERE identifier = ?", key).fetchone():
            return Outcome(member.identifier, Status.ABSENT)
        if operation != "remove" and db.execute("SELECT 1 FROM bad WHERE identifier = ?", key).fetchone():
            return Outcome(
                member.identifier, Status.REJECTED, issues=[Issue("refused", "bad row", recheck=Recheck.WHEN_CHANGED)]
            )
        if operation == "update" and db.execute("SELECT 1 FROM another WHERE identifier = ?", key).fetchone():
            return Outcome(member.identifier, Status.REENTERS)
        consents = []
        if self.consent:
            status = "unsubscribed" if operation == "remove" else "subscribed"
            consents = [ConsentWrite("email", member.identifier, status, "segment_entry", request_id="r1")]
        return Outcome(member.identifier, vendor_id=f"v-{member.identifier}", consents=consents)


def _strike(kind: str, moment: str) -> None:
    if kind == moment:
        raise Unavailable("the connection was reset", status=None)
    if kind == f"kill_{moment}":
        os.kill(os.getpid(), 9)


BATCH = 10


def plain_destination(batch: int = BATCH) -> DestinationType:
    def connect(connection: Connection) -> PlainVendor:
        assert isinstance(connection.settings, Settings)
        assert isinstance(connection.options, Options)
        return PlainVendor(Path(connection.settings.path), consent=connection.options.consent)

    def has_consent(options: BaseModel) -> tuple[str, ...]:
        return ("email",) if isinstance(options, Options) and options.consent else ()

    spec = ServiceSpec(
        name="plain.list",
        title="Plain list",
        description="A list of e-mail addresses with attributes.",
        options_model=Options,
        creates_contacts=True,
        carries_attributes=True,
        carries_consent=True,
        batch_sizes=dict.fromkeys(Operation, batch),
        identifiers=lambda _: ("email",),
        required=lambda _: ("email",),
        tracked=lambda _: (),
        channels=has_consent,
        connect=connect,
    )
    return DestinationType(
        name="plain",
        title="Plain",
        settings_model=Settings,
        services={spec.name: spec},
        account=lambda _: "plain",
    )


def now() -> datetime:
    return datetime.now(UTC)

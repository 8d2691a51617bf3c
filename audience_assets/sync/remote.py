"""The members of a vendor's list, loaded beside the ledger for as long as they are compared.

    remote   vendor id and identifiers of everybody in the list, normalised as the ledger's are
    known    which ledger row each of them is, if any

Both are temporary tables of one connection: the people in a list whom we did not add are nobody we may keep.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.destinations.base import RemoteMember
from audience_assets.sync.desired import normalise
from audience_assets.warehouse.json_rows import encode_rows, json_rows

CHUNK = 5_000
SUBSCRIBED, UNSUBSCRIBED = "subscribed", "unsubscribed"


@dataclass(frozen=True)
class Remote:
    """The two tables, and the kinds of identifiers that a ledger of this list may be keyed by."""

    kinds: tuple[str, ...]
    members: sa.Table
    known: sa.Table

    def load(self, connection: Connection, stream: Iterable[RemoteMember], told: Callable[[int], None]) -> int:
        """Read the stream in chunks, a transaction each, so that nobody waits for the vendor; how many there were."""
        kinds = {kind: sa.String() for kind in self.kinds}
        rows = json_rows("rows", {"vendor_id": sa.String(), **kinds})
        query = sa.select(rows.c.vendor_id, *(normalise(kind, rows.c[kind]) for kind in self.kinds))
        insert = self.members.insert().from_select(["vendor_id", *self.kinds], query)
        remaining, read = iter(stream), 0
        while chunk := list(islice(remaining, CHUNK)):
            values = [[each.vendor_id, *(each.identifiers.get(kind) for kind in self.kinds)] for each in chunk]
            with connection.begin():
                connection.execute(insert, {"rows": encode_rows(values)})
            read += len(chunk)
            told(read)
        return read

    def match(self, connection: Connection, ledger: sa.Table, statuses: Sequence[str]) -> None:
        """Find the ledger's row of each: by the vendor's id, or by an identifier where profiles were merged."""
        remote = self.members
        ways = [remote.c.vendor_id == ledger.c.vendor_id, *(remote.c[k] == ledger.c.identifier for k in self.kinds)]
        parts = [
            sa.select(ledger.c.identifier, remote.c.vendor_id)
            .join_from(ledger, remote, way)
            .where(ledger.c.status.in_(statuses))
            for way in ways
        ]
        connection.execute(self.known.insert().from_select(["identifier", "vendor_id"], sa.union(*parts)))

    def counts(self, connection: Connection) -> tuple[int, int]:
        """How many members the list has, and how many of them no ledger row stands for."""
        every = connection.scalar(sa.select(sa.func.count(self.members.c.vendor_id.distinct()))) or 0
        ours = connection.scalar(sa.select(sa.func.count(self.known.c.vendor_id.distinct()))) or 0
        return every, every - ours

    def asked_by_us(self, connection: Connection, consent_log: sa.Table, activation: str) -> int:
        """How many members no ledger row stands for, though the last consent that this list wrote of them opted in."""
        remote, log = self.members, consent_log
        moments = {
            status: sa.func.max(sa.case((log.c.status == status, log.c.logged_at)))
            for status in (SUBSCRIBED, UNSUBSCRIBED)
        }
        opted_in, opted_out = moments.values()
        asked = sa.select(log.c.identifier).where(log.c.activation == activation).group_by(log.c.identifier)
        asked = asked.having(opted_in.is_not(None), sa.or_(opted_out.is_(None), opted_in > opted_out))
        invited = asked.subquery("invited")
        among = sa.or_(*(remote.c[kind].in_(sa.select(invited.c.identifier)) for kind in self.kinds))
        ours = remote.outerjoin(self.known, self.known.c.vendor_id == remote.c.vendor_id)
        query = sa.select(sa.func.count(remote.c.vendor_id.distinct())).select_from(ours)
        return int(connection.scalar(query.where(self.known.c.vendor_id.is_(None), among)) or 0)

    def lists(self, ledger: sa.Table) -> sa.ColumnElement[bool]:
        """Whether the vendor's list has the member of a ledger row."""
        return sa.exists().where(self.known.c.identifier == ledger.c.identifier)


@contextmanager
def remote_tables(connection: Connection, kinds: Sequence[str]) -> Iterator[Remote]:
    """Make the tables on this connection, and drop them whatever happens."""
    name, metadata = f"audience_assets_remote_{uuid.uuid4().hex[:8]}", sa.MetaData()
    texts = [sa.Column(kind, sa.String) for kind in kinds]
    members = sa.Table(name, metadata, sa.Column("vendor_id", sa.String), *texts, prefixes=["TEMPORARY"])
    # Looked up by identifier: SQLite makes no index of its own for that.
    indexed = connection.dialect.name in ("sqlite", "postgresql")
    known = sa.Table(
        f"{name}_known",
        metadata,
        sa.Column("identifier", sa.String, primary_key=indexed),
        sa.Column("vendor_id", sa.String, primary_key=indexed),
        prefixes=["TEMPORARY"],
    )
    with connection.begin():
        metadata.create_all(connection, checkfirst=False)
    try:
        yield Remote(tuple(kinds), members, known)
    finally:
        if connection.in_transaction():
            connection.rollback()
        with connection.begin():
            metadata.drop_all(connection, checkfirst=False)

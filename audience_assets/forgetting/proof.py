"""Proof of an erasure: that this person was forgotten can be checked by whoever knows the address, and only by them.

The digest is scrypt with a random salt a row. A plain hash of an address is guessed back in minutes, because there are
so few addresses; with scrypt each guess takes about 0.1 s and 32 MB for every row anew, and two proofs about one
person can't be told to be so. A secret key would make guessing impossible, but it would have to be kept for as long as
the proofs, and whoever loses it has lost them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.forgetting.subject import Subject
from audience_assets.warehouse.state import State

COST, BLOCK, LANES = 2**15, 8, 1
METHOD = f"scrypt n={COST} r={BLOCK} p={LANES}"
# What OpenSSL allows by default is just short of what these figures need.
MEMORY = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Proof:
    """One erasure: when, and how many rows of which tables."""

    forgotten_at: datetime
    rows: Mapping[str, int]


def write_proof(connection: Connection, state: State, subject: Subject, at: datetime, rows: Mapping[str, int]) -> None:
    """Note an erasure, in the transaction that does it."""
    salt = secrets.token_bytes(16)
    connection.execute(
        state.forgotten.insert().values(
            forgotten_at=at,
            kind=subject.kind,
            method=METHOD,
            salt=salt.hex(),
            digest=_digest(subject, salt),
            rows=json.dumps(dict(rows)),
        )
    )


def proofs_of(connection: Connection, state: State, subject: Subject) -> list[Proof]:
    """The erasures that were asked for by this very address or key, oldest first. Some 0.1 s for every proof kept."""
    table = state.forgotten
    query = (
        sa.select(table).where(table.c.kind == subject.kind, table.c.method == METHOD).order_by(table.c.forgotten_at)
    )
    return [
        Proof(row.forgotten_at, json.loads(row.rows))
        for row in connection.execute(query).all()
        if hmac.compare_digest(_digest(subject, bytes.fromhex(row.salt)), row.digest)
    ]


def _digest(subject: Subject, salt: bytes) -> str:
    return hashlib.scrypt(subject.name.encode(), salt=salt, n=COST, r=BLOCK, p=LANES, maxmem=MEMORY, dklen=32).hex()

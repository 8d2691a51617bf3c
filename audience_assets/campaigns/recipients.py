"""The recipients table follows what was staged; the ledger learns who was last seen when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.store import temporary_table
from audience_assets.campaigns.assign import Staged
from audience_assets.warehouse.column_types import UtcDateTime


@dataclass(frozen=True, slots=True)
class Moves:
    """Rows that entered and left; whoever is given another group does both."""

    entered: int
    left: int


def follow(
    connection: Connection,
    staged: Staged,
    recipient: sa.Table,
    ledger: sa.Table,
    as_of: datetime,
    last_run: datetime | None,
) -> Moves:
    """Make `recipient` equal to those staged with a group. Only those who came, left or changed group are written."""
    leavers = _leavers(connection, staged, recipient)
    left = connection.scalar(sa.select(sa.func.count()).select_from(leavers)) or 0
    if left:
        same = sa.and_(*(leavers.c[name] == recipient.c[name] for name in ("user_key", "sub_audience")))
        connection.execute(sa.delete(recipient).where(sa.exists().where(same).correlate(recipient)))
        if last_run is not None:
            known_by = ("user_key", "sub_audience", "split_version")
            theirs = sa.and_(*(ledger.c[name] == leavers.c[name] for name in known_by))
            seen = sa.literal(last_run, UtcDateTime())
            connection.execute(sa.update(ledger).values(last_seen_at=seen).where(theirs))
    leavers.drop(connection)
    return Moves(_add_entrants(connection, staged, recipient, as_of), left)


def _same_person(staged: Staged, recipient: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(staged.table.c.user_key == recipient.c.user_key, staged.sub_audience == recipient.c.sub_audience)


def _leavers(connection: Connection, staged: Staged, recipient: sa.Table) -> sa.Table:
    names = ("user_key", "sub_audience", "split_version")
    keyed = connection.dialect.name in ("sqlite", "postgresql")
    leavers = temporary_table(
        "leavers", *(sa.Column(name, recipient.c[name].type, primary_key=keyed, autoincrement=False) for name in names)
    )
    leavers.create(connection, checkfirst=False)
    c = staged.table.c
    same = sa.and_(
        _same_person(staged, recipient),
        staged.has_group,
        c.group_name == recipient.c.group_name,
        staged.split_version == recipient.c.split_version,
    )
    gone: sa.Select[Any] = sa.select(*(recipient.c[name] for name in names))
    gone = gone.select_from(recipient.outerjoin(staged.table, same)).where(c.user_key.is_(None))
    connection.execute(sa.insert(leavers).from_select(names, gone))
    return leavers


def _add_entrants(connection: Connection, staged: Staged, recipient: sa.Table, as_of: datetime) -> int:
    c = staged.table.c
    values = {
        "user_key": c.user_key,
        "sub_audience": staged.sub_audience,
        "group_name": c.group_name,
        "is_control": staged.is_control,
        "bucket": c.bucket,
        "split_version": staged.split_version,
        "since": sa.literal(as_of, UtcDateTime()),
    }
    present = staged.table.outerjoin(recipient, _same_person(staged, recipient))
    rows = sa.select(*(value.label(name) for name, value in values.items())).select_from(present)
    rows = rows.where(staged.has_group, recipient.c.user_key.is_(None))
    counted = sa.select(sa.func.count()).select_from(recipient)
    before = connection.scalar(counted) or 0
    connection.execute(sa.insert(recipient).from_select(list(values), rows.order_by(c.user_key)))
    return (connection.scalar(counted) or 0) - before

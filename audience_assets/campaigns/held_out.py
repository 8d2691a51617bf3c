"""Whom the universal holdout keeps from a campaign: written down once, as the ledger does for groups.

Without this nobody could say later who was held out from what: the share changes, the holdout ends, people move. The
first row of a person is what they are measured as, whatever comes later (intention to treat).
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.store import temporary_table
from audience_assets.campaigns.assign import Staged
from audience_assets.campaigns.statement import HELD_OUT
from audience_assets.warehouse.column_types import UtcDateTime


def record_held_out(connection: Connection, staged: Staged, table: sa.Table, as_of: datetime) -> None:
    """A row for everybody held out who has none of this holdout and this draw; of the others, that they left."""
    held, c = _held_now(connection, staged, table), table.c
    present = sa.exists().where(held.c.user_key == c.user_key).correlate(table)
    ours, now = _of_this_draw(staged, table), sa.literal(as_of, UtcDateTime())
    gone = sa.or_(sa.not_(ours), sa.not_(present))
    connection.execute(sa.update(table).values(left_at=now).where(c.left_at.is_(None), gone))
    connection.execute(sa.update(table).values(left_at=None).where(c.left_at.is_not(None), ours, present))
    if staged.splits.holdout is not None:
        values = {
            "user_key": held.c.user_key,
            "split_version": sa.literal(staged.splits.version, sa.BigInteger()),
            "holdout": sa.literal(staged.splits.holdout.name, sa.String()),
            "held_out_at": now,
        }
        pairs = held.outerjoin(table, sa.and_(held.c.user_key == c.user_key, ours))
        rows = sa.select(*(value.label(name) for name, value in values.items())).select_from(pairs)
        rows = rows.where(c.user_key.is_(None)).order_by(held.c.user_key)
        connection.execute(sa.insert(table).from_select(list(values), rows))
    held.drop(connection)


def _held_now(connection: Connection, staged: Staged, table: sa.Table) -> sa.Table:
    keyed = connection.dialect.name in ("sqlite", "postgresql")
    held = temporary_table(
        "held", sa.Column("user_key", table.c.user_key.type, primary_key=keyed, autoincrement=False, nullable=False)
    )
    held.create(connection, checkfirst=False)
    rows = sa.select(staged.table.c.user_key).where(staged.table.c.place == HELD_OUT)
    connection.execute(sa.insert(held).from_select(["user_key"], rows))
    return held


def _of_this_draw(staged: Staged, table: sa.Table) -> sa.ColumnElement[bool]:
    holdout, drawn_since = staged.splits.holdout, staged.splits.drawn_since
    if holdout is None:
        return sa.false()
    return sa.and_(table.c.holdout == holdout.name, table.c.split_version >= drawn_since)

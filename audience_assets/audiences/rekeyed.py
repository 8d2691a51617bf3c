"""A segment whose users model has keys of another type than its stored membership: the table is made anew.

Nothing is lost by that. Who is still in it under the same key, spelled as text, keeps the time they entered; everybody
else's membership moves to `segment_history`.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.keys import found_keys
from audience_assets.warehouse.state import State


def set_aside(connection: Connection, members: sa.Table) -> sa.Table | None:
    """Make an empty table for keys of today's type; the former members beside it. None where the type is the same."""
    if found_keys(connection, [members])[members.name] is None:
        return None
    former = sa.Table(
        f"audience_assets_former_{uuid.uuid4().hex[:8]}",
        sa.MetaData(),
        sa.Column("user_key", sa.String),
        sa.Column("entered_at", UtcDateTime),
        prefixes=["TEMPORARY"],
    )
    former.create(connection, checkfirst=False)
    every = sa.select(sa.cast(members.c.user_key, sa.String), members.c.entered_at)
    connection.execute(sa.insert(former).from_select(["user_key", "entered_at"], every))
    members.drop(connection, checkfirst=False)
    members.create(connection, checkfirst=False)
    return former


def carry_over(
    connection: Connection,
    state: State,
    name: str,
    members: sa.Table,
    scratch: sa.Table,
    former: sa.Table,
    at: datetime,
) -> int:
    """Take back who is among the new members in `scratch`, and close the others' membership; how many there were."""
    same = sa.cast(scratch.c.user_key, sa.String) == former.c.user_key
    kept = sa.select(scratch.c.user_key, former.c.entered_at).join_from(scratch, former, same)
    connection.execute(sa.insert(members).from_select(["user_key", "entered_at"], kept.order_by(scratch.c.user_key)))
    history = state.segment_history
    gone = sa.select(
        sa.literal(name, history.c.segment.type),
        former.c.user_key,
        former.c.entered_at,
        sa.literal(at, history.c.left_at.type),
    )
    gone = gone.select_from(former.outerjoin(scratch, same)).where(scratch.c.user_key.is_(None))
    connection.execute(sa.insert(history).from_select(["segment", "user_key", "entered_at", "left_at"], gone))
    count = connection.scalar(sa.select(sa.func.count()).select_from(former)) or 0
    former.drop(connection, checkfirst=False)
    return count

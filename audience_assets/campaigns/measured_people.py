"""Whom a campaign is measured by: everybody as they first were, whatever became of them (intention to treat)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from audience_assets.campaigns.draw import HELD_OUT, REACHED, Draw


def first_groups(ledger: sa.Table, draw: Draw, until: datetime, *, first_match: bool) -> sa.Subquery:
    """The first group of everybody who was given one before `until`; with all matches, one a sub-audience.

    A campaign that is drawn anew (`reshuffle`) begins a new period of measurement: what was given before is not asked.
    """
    c = ledger.c
    columns = (c.user_key, c.sub_audience, c.group_name, c.is_control, c.split_version, c.assigned_at)
    rows = sa.select(*columns).where(c.assigned_at < sa.literal(until, c.assigned_at.type))
    rows = rows.where(c.split_version >= draw.first)
    if draw.newest == draw.first:
        return rows.subquery("first")
    person = [c.user_key] if first_match else [c.user_key, c.sub_audience]
    age = sa.func.row_number().over(partition_by=person, order_by=[c.split_version, c.sub_audience])
    ranked = rows.add_columns(age.label("age")).subquery("ranked")
    return sa.select(*(ranked.c[column.name] for column in columns)).where(ranked.c.age == 1).subquery("first")


def holdout_people(ledger: sa.Table, held_out: sa.Table, draw: Draw, until: datetime) -> sa.Subquery:
    """Everybody whom the universal holdout concerns, held out or reached, all in one sub-audience without a name.

    Reached is whoever was given a group, the control too: they are all that the same draw of lots left in, and other
    campaigns reach the control. Somebody counts as what they were first, and only if that was while the holdout was in
    force: before there was nobody held out to compare with.
    """
    versions = [version for version, holdout in draw.holdouts.items() if holdout.name == draw.held_out_by]
    reached = _rows(ledger, ledger.c.assigned_at, REACHED, draw, until)
    held = _rows(held_out, held_out.c.held_out_at, HELD_OUT, draw, until)
    held = held.where(held_out.c.holdout == draw.held_out_by)
    both = sa.union_all(reached, held).subquery("both")
    age = sa.func.row_number().over(partition_by=both.c.user_key, order_by=_oldest_first(both))
    ranked = sa.select(*both.c, age.label("age")).subquery("ranked")
    columns = [column for column in ranked.c if column.name != "age"]
    return sa.select(*columns).where(ranked.c.age == 1, ranked.c.split_version.in_(versions)).subquery("people")


def _oldest_first(both: sa.Subquery) -> Sequence[sa.ColumnElement[Any]]:
    return [both.c.split_version, both.c.assigned_at, both.c.group_name]


def _rows(table: sa.Table, since: sa.Column[Any], group: str, draw: Draw, until: datetime) -> sa.Select[Any]:
    values = {
        "user_key": table.c.user_key,
        "sub_audience": sa.cast("", sa.String()),
        "group_name": sa.cast(group, sa.String()),
        "is_control": sa.true() if group == HELD_OUT else sa.false(),
        "split_version": table.c.split_version,
        "assigned_at": since,
    }
    rows = sa.select(*(value.label(name) for name, value in values.items()))
    return rows.where(since < sa.literal(until, since.type), table.c.split_version >= draw.first)

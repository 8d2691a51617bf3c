"""Giving people their group: everybody is staged with the group they have or get, and newcomers enter the ledger.

The ledger is write-once. It wins over whatever is declared now, so a person has one group for as long as the campaign
lives; only `rebalance` and `reshuffle` add a row to somebody who has one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.store import temporary_table
from audience_assets.campaigns.exact import allocate_strata, surplus
from audience_assets.campaigns.split import is_control, known, lost, sub_audience_name
from audience_assets.campaigns.versions import EXACT, PartSplit, Splits
from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.functions import bucket_of, hash_u32
from audience_assets.warehouse.json_rows import encode_rows, json_rows

COLUMNS = ("user_key", "place", "bucket", "group_name", "former_group", "former_version", "stratum")
Stratum = tuple[int, str]  # place and stratum
Sizes = dict[Stratum, dict[str, int]]  # -> group -> people


@dataclass(frozen=True)
class Staged:
    """A campaign's people in a temporary table; rows without a group are in no sub-audience, or have been given one
    in another row."""

    table: sa.Table
    splits: Splits

    @property
    def sub_audience(self) -> sa.ColumnElement[str]:
        return sub_audience_name(self.table.c.place, self.splits.parts)

    @property
    def is_control(self) -> sa.ColumnElement[bool]:
        return is_control(self.table.c.place, self.table.c.group_name, self.splits.parts)

    @property
    def has_group(self) -> sa.ColumnElement[bool]:
        return self.table.c.group_name.is_not(None)

    @property
    def is_new(self) -> sa.ColumnElement[bool]:
        """Has a group that is not in the ledger yet."""
        c = self.table.c
        return sa.and_(c.group_name.is_not(None), sa.func.coalesce(c.former_group != c.group_name, sa.true()))

    @property
    def split_version(self) -> sa.ColumnElement[int]:
        newest = sa.literal(self.splits.version, sa.BigInteger())
        return sa.case((self.is_new, newest), else_=self.table.c.former_version)


def stage(connection: Connection, key: sa.Column[Any], rows: sa.Select[Any], splits: Splits) -> Staged:
    """Keep what `compile_split` finds for the rest of the transaction."""
    table = temporary_table(
        "staged",
        sa.Column("user_key", key.type),
        sa.Column("place", sa.Integer),
        sa.Column("bucket", sa.Integer),
        sa.Column("group_name", sa.String),
        sa.Column("former_group", sa.String),
        sa.Column("former_version", sa.BigInteger),
        sa.Column("stratum", sa.String),
    )
    table.create(connection, checkfirst=False)
    connection.execute(sa.insert(table).from_select(COLUMNS, rows))
    return Staged(table, splits)


def assign_exactly(connection: Connection, staged: Staged, ledger: sa.Table, *, first_match: bool) -> None:
    """Give those who have no group yet one by number, so that sizes are exact in every stratum.

    Sizes are those of everybody ever assigned by this split, present or not: the shares of people who stay differ
    between treatments, and newcomers must not make up for that.
    """
    exact = [place for place, part in enumerate(staged.splits.parts) if part.method == EXACT]
    if not exact:
        return
    taken = _taken(connection, staged.splits, ledger, first_match=first_match)
    if staged.splits.is_new and staged.splits.sticky == "rebalance":
        _add_carried(connection, staged, exact, taken)
        if taken:
            taken = _release(connection, staged, taken, _waiting(connection, staged, exact))
    waiting = _waiting(connection, staged, exact)
    if waiting:
        _give(connection, staged, _allocations(staged.splits, taken, waiting))


def _waiting(connection: Connection, staged: Staged, places: list[int]) -> dict[Stratum, int]:
    c = staged.table.c
    query = (
        sa.select(c.place, c.stratum, sa.func.count().label("people"))
        .where(c.place.in_(places), c.group_name.is_(None))
        .group_by(c.place, c.stratum)
    )
    return {(row.place, row.stratum): row.people for row in connection.execute(query)}


def _taken(connection: Connection, splits: Splits, ledger: sa.Table, *, first_match: bool) -> Sizes:
    """How many were given each group by the present split; under rebalance, by whatever split."""
    before = known(ledger, splits, first_match=first_match)
    c = before.c
    columns = (c.sub_audience, sa.func.coalesce(c.stratum, "").label("stratum"), c.group_name, c.split_version)
    counted = sa.select(*columns, sa.func.count().label("people")).group_by(*columns)
    if splits.gone and splits.sticky != "rebalance":
        gone = lost(ledger, splits, first_match=first_match)
        same_group = sa.or_(c.is_control, c.group_name == gone.c.group_name)
        carried = sa.and_(same_group, sa.case((c.is_control, 1), else_=0) == sa.case((gone.c.is_control, 1), else_=0))
        counted = counted.select_from(before.outerjoin(gone, c.user_key == gone.c.user_key))
        counted = counted.where(sa.case((carried, sa.false()), else_=sa.true()))
    found: Sizes = defaultdict(dict)
    places = {part.sub_audience: (place, part) for place, part in enumerate(splits.parts)}
    for row in connection.execute(counted):
        place, part = places[row.sub_audience]
        if splits.sticky == "rebalance" or row.split_version >= part.since:
            groups = found[place, row.stratum]
            groups[row.group_name] = groups.get(row.group_name, 0) + row.people
    return dict(found)


def _add_carried(connection: Connection, staged: Staged, places: list[int], taken: Sizes) -> None:
    """Those whose group is no more, and who go on in one like it: the ledger does not tell yet."""
    c = staged.table.c
    columns = (c.place, c.stratum, c.group_name)
    counted = sa.select(*columns, sa.func.count().label("people")).group_by(*columns)
    carried = counted.where(c.place.in_(places), staged.has_group, c.former_group.is_(None))
    for row in connection.execute(carried):
        groups = taken.setdefault((row.place, row.stratum), {})
        groups[row.group_name] = groups.get(row.group_name, 0) + row.people


def _release(connection: Connection, staged: Staged, taken: Sizes, waiting: Mapping[Stratum, int]) -> Sizes:
    """Take their group from as few as the new shares need, the highest in hash order first; they wait with the new."""
    rows = []
    for (place, stratum), groups in taken.items():
        part = staged.splits.parts[place]
        if part.method == EXACT:
            over = surplus(part.quotas, groups, waiting.get((place, stratum), 0))
            rows += [(place, stratum, group, number) for group, number in over.items()]
    c = staged.table.c
    order = (hash_u32(staged.splits.salt, c.user_key).desc(), c.user_key.desc())
    number = sa.func.row_number().over(partition_by=(c.place, c.stratum, c.group_name), order_by=order)
    ranked = sa.select(staged.table, number.label("number")).where(staged.has_group).subquery("ranked")
    over_rows = json_rows(
        "over", {"place": sa.Integer(), "stratum": sa.String(), "group_name": sa.String(), "people": sa.BigInteger()}
    )
    same = sa.and_(
        *(ranked.c[name] == over_rows.c[name] for name in ("place", "stratum", "group_name")),
        ranked.c.number <= over_rows.c.people,
    )
    released = temporary_table(
        "released",
        *(sa.Column(name, c[name].type, primary_key=_has_keys(connection)) for name in ("user_key", "place")),
        sa.Column("group_name", sa.String),
        sa.Column("stratum", sa.String),
    )
    released.create(connection, checkfirst=False)
    names = [column.name for column in released.columns]
    chosen = sa.select(*(ranked.c[name] for name in names)).select_from(ranked.join(over_rows, same))
    connection.execute(sa.insert(released).from_select(names, chosen), {"over": encode_rows(rows)})
    _without_group(connection, staged, released)
    left = {key: dict(groups) for key, groups in taken.items()}
    r = released.c
    for row in connection.execute(
        sa.select(r.place, r.stratum, r.group_name, sa.func.count().label("people")).group_by(
            r.place, r.stratum, r.group_name
        )
    ):
        left[row.place, row.stratum][row.group_name] -= row.people
    released.drop(connection)
    return left


def _without_group(connection: Connection, staged: Staged, released: sa.Table) -> None:
    c = staged.table.c
    same = sa.and_(released.c.user_key == c.user_key, released.c.place == c.place)
    values = {name: c[name] for name in COLUMNS} | {"group_name": sa.cast(sa.null(), sa.String)}
    waiting = sa.select(*(values[name].label(name) for name in COLUMNS)).join_from(staged.table, released, same)
    connection.execute(sa.insert(staged.table).from_select(COLUMNS, waiting))
    connection.execute(sa.delete(staged.table).where(staged.has_group, sa.exists().where(same).correlate(staged.table)))


def _has_keys(connection: Connection) -> bool:
    """Whether an index pays, and the warehouse has them."""
    return connection.dialect.name in ("sqlite", "postgresql")


def _allocations(splits: Splits, taken: Sizes, waiting: Mapping[Stratum, int]) -> list[tuple[Any, ...]]:
    """(place, stratum, group, first, last): who in the hash order of those who wait gets the group, from 1 on."""
    rows: list[tuple[Any, ...]] = []
    for place in sorted({place for place, _ in waiting}):
        part: PartSplit = splits.parts[place]
        strata = {stratum: groups for (where, stratum), groups in taken.items() if where == place}
        theirs = sorted(stratum for where, stratum in waiting if where == place)
        # By lot, so that rounding favours nobody's name.
        theirs.sort(key=lambda stratum: bucket_of(splits.salt, stratum))
        given = allocate_strata(part.quotas, strata, {stratum: waiting[place, stratum] for stratum in theirs})
        for stratum, groups in given.items():
            start = 0
            for group, number in groups.items():
                if number:
                    rows.append((place, stratum, group, start + 1, start + number))
                start += number
    return rows


def _give(connection: Connection, staged: Staged, allocations: list[tuple[Any, ...]]) -> None:
    c = staged.table.c
    order = (hash_u32(staged.splits.salt, c.user_key), c.user_key)
    number = sa.func.row_number().over(partition_by=(c.place, c.stratum), order_by=order).label("number")
    waiting = sa.select(staged.table, number).where(c.place >= 0, c.group_name.is_(None)).subquery("waiting")
    kinds: dict[str, sa.types.TypeEngine[Any]] = {"place": sa.Integer(), "stratum": sa.String()}
    kinds |= {"group_name": sa.String(), "first": sa.BigInteger(), "last": sa.BigInteger()}
    given = json_rows("given", kinds)
    same = sa.and_(
        waiting.c.place == given.c.place,
        waiting.c.stratum == given.c.stratum,
        waiting.c.number >= given.c.first,
        waiting.c.number <= given.c.last,
    )
    values = [given.c.group_name if name == "group_name" else waiting.c[name] for name in COLUMNS]
    rows = sa.select(*values).select_from(waiting.join(given, same))
    connection.execute(sa.insert(staged.table).from_select(COLUMNS, rows), {"given": encode_rows(allocations)})


def write_ledger(connection: Connection, staged: Staged, ledger: sa.Table, as_of: datetime) -> None:
    """A row for everybody whose group is new. It is written before anybody could be sent anything."""
    c = staged.table.c
    values = {
        "user_key": c.user_key,
        "sub_audience": staged.sub_audience,
        "split_version": sa.literal(staged.splits.version, sa.BigInteger()),
        "group_name": c.group_name,
        "is_control": staged.is_control,
        "bucket": c.bucket,
        "stratum": c.stratum,
        "assigned_at": sa.literal(as_of, UtcDateTime()),
    }
    rows = sa.select(*(value.label(name) for name, value in values.items())).where(staged.is_new)
    connection.execute(sa.insert(ledger).from_select(list(values), rows.order_by(c.user_key)))


def withhold(connection: Connection, staged: Staged) -> int:
    """Take the treatments from whoever is control in another sub-audience: control is sent nothing. How many rows."""
    control = staged.table.alias("control")
    in_control = sa.select(control.c.user_key).where(
        is_control(control.c.place, control.c.group_name, staged.splits.parts)
    )
    c = staged.table.c
    theirs = sa.and_(staged.has_group, sa.not_(staged.is_control), c.user_key.in_(in_control))
    number = connection.scalar(sa.select(sa.func.count()).select_from(staged.table).where(theirs)) or 0
    if number:
        connection.execute(sa.delete(staged.table).where(theirs))
    return number

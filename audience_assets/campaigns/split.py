"""Who gets which group: one SELECT over a campaign's audience, its bucket maps and what was assigned before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from audience_assets.campaigns.bucket_map import Range
from audience_assets.campaigns.versions import EXACT, GroupKey, PartSplit, Splits
from audience_assets.warehouse.functions import bucket

Expression = sa.ColumnElement[Any]
Columns = sa.sql.base.ReadOnlyColumnCollection[str, sa.sql.elements.KeyedColumnElement[Any]]


def compile_split(
    audience: sa.Select[Any], splits: Splits, ledger: sa.Table | None, *, first_match: bool
) -> sa.Select[Any]:
    """Everybody in `audience`: user_key, place, bucket, group_name, former_group, former_version, stratum.

    Whoever has a group already has it as `former_group`, and stays in its sub-audience. Whose group is no more keeps
    one like it where they are now. `group_name` is NULL for those who are given one by number (`method: exact`), and
    for those who are in no sub-audience. Without a ledger nobody has been given a group before.
    """
    people = audience.cte("cte_campaign_audience")
    if ledger is None:
        former = sa.null()
        rows = sa.select(people.c.user_key, people.c.place, bucket(splits.salt, people.c.user_key).label("bucket"))
        rows = rows.add_columns(*(former.label(name) for name in ("former_group", "former_version")), people.c.stratum)
    else:
        rows = _with_former(people, splits, ledger, first_match=first_match)
    # Once for each person: SQLite would work out a bucket anew wherever it is named.
    placed = rows.cte("cte_campaign_placed").prefix_with("MATERIALIZED", dialect="sqlite")
    c = placed.c
    groups = [_group(part, splits, c) for part in splits.parts]
    group = sa.case(*((c.place == place, each) for place, each in enumerate(groups)), else_=_text(None))
    return sa.select(
        c.user_key,
        c.place,
        c.bucket,
        group.label("group_name"),
        sa.cast(c.former_group, sa.String).label("former_group"),
        sa.cast(c.former_version, sa.BigInteger).label("former_version"),
        c.stratum,
    ).select_from(placed)


def _with_former(people: sa.CTE, splits: Splits, ledger: sa.Table, *, first_match: bool) -> sa.Select[Any]:
    before = known(ledger, splits, first_match=first_match)
    same = people.c.user_key == before.c.user_key
    place: Expression = people.c.place
    if first_match:
        first_place = _place(before.c.sub_audience, splits.parts)
        place = sa.case((sa.and_(place >= 0, before.c.user_key.is_not(None)), first_place), else_=place)
    else:
        same = sa.and_(same, people.c.place == _place(before.c.sub_audience, splits.parts))
    number = sa.func.coalesce(before.c.bucket, bucket(splits.salt, people.c.user_key))
    rows = sa.select(
        people.c.user_key,
        place.label("place"),
        number.label("bucket"),
        before.c.group_name.label("former_group"),
        before.c.split_version.label("former_version"),
        people.c.stratum,
    )
    joined = people.outerjoin(before, same)
    if splits.gone:
        gone = lost(ledger, splits, first_match=first_match)
        joined = joined.outerjoin(gone, people.c.user_key == gone.c.user_key)
        rows = rows.add_columns(gone.c.group_name.label("lost_group"), gone.c.is_control.label("lost_control"))
    return rows.select_from(joined)


def known(ledger: sa.Table, splits: Splits, *, first_match: bool) -> sa.Subquery:
    """The groups that people have now: of those that are still there, the one given last.

    With first match one row a person, else one for each sub-audience.
    """
    c = ledger.c
    rows = sa.select(c.user_key, c.sub_audience, c.group_name, c.is_control, c.bucket, c.split_version, c.stratum)
    if splits.gone:
        rows = rows.where(sa.not_(_is_gone(ledger, splits)))
    if splits.drawn_since > 1:
        rows = rows.where(c.split_version >= splits.drawn_since)
    if splits.version == splits.drawn_since:
        return rows.subquery("known")
    person = [c.user_key] if first_match else [c.user_key, c.sub_audience]
    order = [c.split_version.desc(), _place(c.sub_audience, splits.parts)]
    age = sa.func.row_number().over(partition_by=person, order_by=order)
    ranked = rows.add_columns(age.label("age")).subquery("ranked")
    columns = [column for column in ranked.c if column.name != "age"]
    return sa.select(*columns).where(ranked.c.age == 1).subquery("known")


def lost(ledger: sa.Table, splits: Splits, *, first_match: bool) -> sa.Subquery:
    """The group that is no more of everybody who had one: a control if it was one, else the one given last.

    With all matches every sub-audience is split by itself, so that only who was control is asked for.
    """
    c = ledger.c
    # Not by their names, which every warehouse has in an order of its own.
    place = sa.case(*((_is_group(ledger, key), number) for number, key in enumerate(sorted(splits.gone))))
    order = [sa.case((c.is_control, 0), else_=1), c.split_version.desc(), place]
    age = sa.func.row_number().over(partition_by=c.user_key, order_by=order)
    rows = sa.select(c.user_key, c.group_name, c.is_control, age.label("age")).where(_is_gone(ledger, splits))
    if splits.drawn_since > 1:
        rows = rows.where(c.split_version >= splits.drawn_since)
    if not first_match:
        rows = rows.where(c.is_control.is_(sa.true()))
    ranked = rows.subquery("gone")
    columns = (ranked.c.user_key, ranked.c.group_name, ranked.c.is_control)
    return sa.select(*columns).where(ranked.c.age == 1).subquery("lost")


def _is_gone(ledger: sa.Table, splits: Splits) -> sa.ColumnElement[bool]:
    return sa.or_(*(_is_group(ledger, key) for key in sorted(splits.gone)))


def _is_group(ledger: sa.Table, key: GroupKey) -> sa.ColumnElement[bool]:
    sub_audience, group, is_control = key
    control = ledger.c.is_control.is_(sa.true()) if is_control else ledger.c.is_control.is_(sa.false())
    return sa.and_(ledger.c.sub_audience == sub_audience, ledger.c.group_name == group, control)


def _place(sub_audience: Expression, parts: Sequence[PartSplit]) -> Expression:
    return sa.case(
        *((sub_audience == part.sub_audience, number) for number, part in enumerate(parts)),
        else_=sa.cast(sa.null(), sa.Integer),
    )


def _group(part: PartSplit, splits: Splits, placed: Columns) -> Expression:
    if splits.first:
        return _text(None) if part.method == EXACT else _of_map(part.ranges, placed.bucket)
    kept = sa.func.coalesce(placed.former_group, _like_the_lost(part, placed)) if splits.gone else placed.former_group
    if part.method == EXACT:
        return sa.cast(kept, sa.String)
    if splits.sticky == "rebalance":
        return _of_map(part.ranges, placed.bucket)
    return sa.func.coalesce(kept, _of_map(part.ranges, placed.bucket))


def _like_the_lost(part: PartSplit, placed: Columns) -> Expression:
    """Control stays control, whatever it is called now; a treatment goes on where one has its name."""
    treatments = [group for group in part.quotas if group != part.control]
    still = sa.and_(sa.not_(placed.lost_control), placed.lost_group.in_(treatments))
    return sa.case((placed.lost_control, _text(part.control)), (still, placed.lost_group), else_=_text(None))


def _of_map(ranges: Sequence[Range], number: Expression) -> Expression:
    *others, last = ranges
    if not others:
        return _text(last.group)
    return sa.case(*((number < each.end, _text(each.group)) for each in others), else_=_text(last.group))


def _text(value: str | None) -> Expression:
    return sa.cast(sa.literal(value, sa.String), sa.String)


def sub_audience_name(place: Expression, parts: Sequence[PartSplit]) -> Expression:
    """The sub-audience of a place."""
    return sa.case(*((place == number, _text(part.sub_audience)) for number, part in enumerate(parts)))


def is_control(place: Expression, group: Expression, parts: Sequence[PartSplit]) -> Expression:
    """Whether a group of the sub-audience at this place is its control."""
    controls = [
        sa.and_(place == number, group == part.control) for number, part in enumerate(parts) if part.control is not None
    ]
    return sa.case((sa.or_(*controls), sa.true()), else_=sa.false()) if controls else sa.literal(False)

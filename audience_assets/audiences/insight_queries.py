"""The statements behind insights: each one scan of the users model, with flags summed as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.consent import latest_consent, status_is
from audience_assets.audiences.operands import measure, operand, related_rows
from audience_assets.audiences.predicates import base_conditions, holds, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.validity import LOOKS_VALID
from audience_assets.project.conditions import Condition, Window
from audience_assets.project.models import ReachChannel

PERCENTILES = (10, 25, 50, 75, 90, 99)
REACH = ("identified", "valid", "consented")
TOP_VALUES = 20
Flag = sa.ColumnElement[bool]


def counts(users: Scope, member: Flag) -> sa.Select[Any]:
    """users, size, active, any_channel, and the three numbers of each channel."""
    settings = users.catalogue.settings.insights
    columns: list[sa.ColumnElement[Any]] = [sa.func.count().label("users"), _count(member).label("size")]
    reached: list[Flag] = []
    for number, channel in enumerate(settings.channels.items()):
        steps = _reach(users, *channel)
        reached.append(sa.and_(*steps))
        columns += [
            _count(sa.and_(member, *steps[: place + 1])).label(f"{part}_{number}") for place, part in enumerate(REACH)
        ]
    any_channel = _count(sa.and_(member, sa.or_(*reached))) if reached else sa.null()
    columns += [_active(users, member).label("active"), any_channel.label("any_channel")]
    return _over_everybody(users, columns)


def values(users: Scope, member: Flag) -> sa.Select[Any]:
    """total, spenders and p10 ... p99 of the value of the members.

    A percentile is the smallest value that so many percent of the spenders do not exceed: exact, and the same in
    every dialect.
    """
    settings = users.catalogue.settings.insights
    rows = related_rows(users, users.place, settings.value_model or "", None)
    value = measure(users, users.place, rows, f"sum:{settings.value_field}").expression
    spends = sa.case((value > 0, 1), else_=0)
    ranked = _over_everybody(
        users,
        [
            value.label("value"),
            spends.label("spends"),
            sa.func.row_number().over(partition_by=spends, order_by=value).label("place"),
            sa.func.count().over(partition_by=spends).label("total"),
        ],
    )
    ranked_values = ranked.where(member).subquery("ranked_values")
    c = ranked_values.c
    return sa.select(
        sa.func.sum(c.value).label("total"),
        sa.func.sum(c.spends).label("spenders"),
        *(
            sa.func.min(sa.case((sa.and_(c.spends == 1, c.place * 100 >= c.total * percent), c.value))).label(
                f"p{percent}"
            )
            for percent in PERCENTILES
        ),
    )


def waterfall(users: Scope, conditions: Sequence[Condition]) -> sa.Select[Any]:
    """alone_N and remaining_N: users who hold condition N, and who hold it and all before it."""
    flags = [holds(predicate(condition, users)) for condition in conditions]
    columns = []
    for number, flag in enumerate(flags):
        columns += [
            _count(flag).label(f"alone_{number}"),
            _count(sa.and_(*flags[: number + 1])).label(f"remaining_{number}"),
        ]
    return _over_everybody(users, columns)


def breakdown(users: Scope, member: Flag, field: str) -> sa.Select[Any]:
    """value, members and users of a field's most frequent values, those of members first."""
    value = operand(users, field).expression
    members = _count(member)
    select = _over_everybody(users, [value.label("value"), members.label("members"), sa.func.count().label("users")])
    return select.group_by(value).order_by(members.desc(), sa.func.count().desc(), value).limit(TOP_VALUES)


def _over_everybody(users: Scope, columns: Sequence[sa.ColumnElement[Any]]) -> sa.Select[Any]:
    base = base_conditions(users)
    return sa.select(*columns).select_from(users.joined()).where(*base)


def _count(flag: Flag) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((flag, 1), else_=0)), 0)


def _active(users: Scope, member: Flag) -> sa.ColumnElement[Any]:
    settings = users.catalogue.settings.insights
    if settings.value_model is None:
        return sa.null()
    rows = related_rows(users, users.place, settings.value_model, Window(within=settings.active_within))
    return _count(sa.and_(member, measure(users, users.place, rows, "count").expression >= 1))


def _reach(users: Scope, name: str, channel: ReachChannel) -> list[Flag]:
    """Has the identifiers, they look valid, and the newest consent says yes."""
    fields = [operand(users, field).expression for field in ([channel.field] if channel.field else channel.fields)]
    identified = sa.and_(*(sa.func.trim(field) != "" for field in fields))
    valid = LOOKS_VALID[channel.valid](fields[0]) if channel.valid else sa.true()
    consented = status_is(users, latest_consent(users, name), channel.consent) if channel.consent else sa.true()
    return [identified, valid, consented]

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
from audience_assets.project.needs import Needs

PERCENTILES = (10, 25, 50, 75, 90, 99)
REACH = ("identified", "valid", "consented")
TOP_VALUES = 20
Flag = sa.ColumnElement[bool]


def counts(users: Scope, member: Flag, lists: Sequence[Needs]) -> sa.Select[Any]:
    """users, size, any_channel, the three numbers of each channel, the two of each list, and the revenue tree's."""
    settings = users.catalogue.settings.insights
    columns: list[sa.ColumnElement[Any]] = [sa.func.count().label("users"), _count(member).label("size")]
    for number, needs in enumerate(lists):
        deliverable, complete = _deliverable(users, needs)
        columns += [
            _count(sa.and_(member, deliverable)).label(f"reached_{number}"),
            _count(sa.and_(member, deliverable, complete)).label(f"complete_{number}"),
        ]
    reached: list[Flag] = []
    for number, channel in enumerate(settings.channels.items()):
        steps = _reach(users, *channel)
        reached.append(sa.and_(*steps))
        columns += [
            _count(sa.and_(member, *steps[: place + 1])).label(f"{part}_{number}") for place, part in enumerate(REACH)
        ]
    any_channel = _count(sa.and_(member, sa.or_(*reached))) if reached else sa.null()
    columns += [any_channel.label("any_channel"), *_bought(users, member)]
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
    """value, members and users: first those without a value, then a field's most frequent values among the members."""
    value = operand(users, field).expression
    members = _count(member)
    select = _over_everybody(users, [value.label("value"), members.label("members"), sa.func.count().label("users")])
    missing_first = sa.case((value.is_(None), 0), else_=1)
    order = (missing_first, members.desc(), sa.func.count().desc(), value)
    return select.group_by(value).order_by(*order).limit(TOP_VALUES + 1)


def _over_everybody(users: Scope, columns: Sequence[sa.ColumnElement[Any]]) -> sa.Select[Any]:
    base = base_conditions(users)
    return sa.select(*columns).select_from(users.joined()).where(*base)


def _count(flag: Flag) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((flag, 1), else_=0)), 0)


def _bought(users: Scope, member: Flag) -> list[sa.ColumnElement[Any]]:
    """active, orders, revenue and items of the members within the active window; NULL where nothing tells."""
    settings = users.catalogue.settings.insights
    if settings.value_model is None:
        return [sa.null().label(name) for name in ("active", "orders", "revenue", "items")]
    rows = related_rows(users, users.place, settings.value_model, Window(within=settings.active_within))

    def total(asked: str | None) -> sa.ColumnElement[Any]:
        if asked is None:
            return sa.null()
        return sa.func.coalesce(sa.func.sum(sa.case((member, measure(users, users.place, rows, asked).expression))), 0)

    orders = f"count_distinct:{settings.order_field}" if settings.order_field else "count"
    active = measure(users, users.place, rows, "count").expression >= 1
    return [
        _count(sa.and_(member, active)).label("active"),
        total(orders).label("orders"),
        total(settings.value_field and f"sum:{settings.value_field}").label("revenue"),
        total(settings.items_field and f"sum:{settings.items_field}").label("items"),
    ]


def _deliverable(users: Scope, needs: Needs) -> tuple[Flag, Flag]:
    """Has an identifier that looks usable and all that is required; has every mapped attribute."""
    usable = []
    for kind, field in needs.identifiers.items():
        given = _given(operand(users, field).expression)
        usable.append(LOOKS_VALID[kind](operand(users, field).expression) if kind in LOOKS_VALID else given)
    required = [_given(operand(users, field).expression) for field in needs.required.values()]
    mapped = [_given(operand(users, field).expression) for field in needs.attributes.values()]
    return sa.and_(sa.or_(sa.false(), *usable), *required), sa.and_(sa.true(), *mapped)


def _given(value: sa.ColumnElement[Any]) -> Flag:
    """There is a value, and not only blanks."""
    return sa.func.trim(value) != "" if isinstance(value.type, sa.String) else value.is_not(None)


def _reach(users: Scope, name: str, channel: ReachChannel) -> list[Flag]:
    """Has the identifiers, they look valid, and the newest consent says yes."""
    fields = [operand(users, field).expression for field in ([channel.field] if channel.field else channel.fields)]
    identified = sa.and_(*(sa.func.trim(field) != "" for field in fields))
    valid = LOOKS_VALID[channel.valid](fields[0]) if channel.valid else sa.true()
    consented = status_is(users, latest_consent(users, name), channel.consent) if channel.consent else sa.true()
    return [identified, valid, consented]

"""Conditions on a place in an order: a random share of everybody, and a rank by a field."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.operands import operand
from audience_assets.audiences.predicates import base_conditions, holds, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import digest
from audience_assets.project.conditions import Rank, RankSpec, Sample
from audience_assets.project.operators import TEMPORAL_TYPES
from audience_assets.warehouse.functions import BUCKETS, bucket, hash_u32
from audience_assets.warehouse.moments import spelled_alike

TIE_BREAK = "rank"
# Percentages are exact to four decimals: both sides of the comparison are whole numbers.
MILLION = 1_000_000


@predicate.register
def _(node: Sample, scope: Scope) -> sa.ColumnElement[bool]:
    chosen = round(node.sample.percent * BUCKETS / 100)
    return bucket(node.sample.salt, scope.key) < sa.literal(chosen, sa.BigInteger())


@predicate.register
def _(node: Rank, scope: Scope) -> sa.ColumnElement[bool]:
    spec = node.rank
    descending = spec.top is not None or spec.top_percent is not None
    name = f"rank_{digest(scope.model, spec.by, descending)}"
    ranked = scope.statement.cte(name, lambda: _ranked(scope, spec, descending=descending))
    scope.join(ranked, scope.key == ranked.c.user_key, name)
    return holds(sa.and_(ranked.c.has_value == 1, _close_enough(ranked, spec)))


def _close_enough(ranked: sa.FromClause, spec: RankSpec) -> sa.ColumnElement[bool]:
    count = spec.top or spec.bottom
    if count is not None:
        return ranked.c.place <= sa.literal(count, sa.BigInteger())
    percent = spec.top_percent or spec.bottom_percent or 0
    share = sa.literal(round(percent * MILLION / 100), sa.BigInteger())
    return ranked.c.place * sa.literal(MILLION, sa.BigInteger()) <= ranked.c.total * share


def _ranked(scope: Scope, spec: RankSpec, *, descending: bool) -> sa.Select[Any]:
    """Everybody's place; those without a value come last and never count as ranked."""
    users = Scope(scope.statement, scope.model)
    value = operand(users, spec.by).expression
    select = sa.select(
        users.key.label("user_key"),
        sa.func.row_number().over(order_by=ordered(users, spec.by, descending=descending)).label("place"),
        sa.func.count().over().label("total"),
        sa.case((value.is_not(None), 1), else_=0).label("has_value"),
    )
    return select.select_from(users.joined()).where(*base_conditions(users))


def ordered(users: Scope, by: str, *, descending: bool) -> list[sa.ColumnElement[Any]]:
    """ORDER BY a field, missing values last, ties broken by hash: the same order in every dialect and run."""
    value = operand(users, by)
    order = value.expression
    if value.type in TEMPORAL_TYPES:
        order = spelled_alike(order, value.type)
    missing_last = sa.case((value.expression.is_(None), 1), else_=0)
    return [missing_last, order.desc() if descending else order.asc(), hash_u32(TIE_BREAK, users.key), users.key]

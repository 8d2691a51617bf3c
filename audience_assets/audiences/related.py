"""Conditions on the rows of a to-many related model."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.comparisons import between, compare
from audience_assets.audiences.grouped import Rows, measured
from audience_assets.audiences.operands import measure, related_rows
from audience_assets.audiences.predicates import holds, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import digest
from audience_assets.project.conditions import Condition, Related
from audience_assets.project.operators import canonical, coerce, coerce_many


@predicate.register
def _(node: Related, scope: Scope) -> sa.ColumnElement[bool]:
    return holds(_quantity(node, scope))


def _quantity(node: Related, scope: Scope) -> sa.ColumnElement[bool]:
    rows = related_rows(scope, scope.place, node.related, node.window)
    if node.quantifier == "all":
        return _every_row(scope, rows, node.where)
    rows = Rows(rows.link, rows.bounds, node.where)
    value = measure(scope, scope.place, rows, node.measure).expression
    if node.op is None:
        return value == 0 if node.quantifier == "none" else value >= 1
    op = canonical(node.op)
    if op == "between":
        low, high = (_bound(item) for item in coerce_many(node.value, "number"))
        return between(value, low, high, node.bounds)
    wanted = _bound(coerce(node.value, "number"))
    return value != wanted if op == "is_not" else compare(value, op, wanted)


def _bound(number: float) -> sa.ColumnElement[Any]:
    """Whole numbers as such: they are what a count is compared with."""
    if number.is_integer():
        return sa.literal(int(number), sa.BigInteger())
    return sa.literal(number, sa.Double())


def _every_row(scope: Scope, rows: Rows, where: Condition | None) -> sa.ColumnElement[bool]:
    """At least one row and none that fails `where`; of no rows the measure is NULL, which is no."""
    if where is None:
        return measure(scope, scope.place, rows, "count").expression >= 1
    label = f"failing_{digest(where.model_dump(mode='json', by_alias=True))}"

    def failing(inner: Scope) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((holds(predicate(where, inner)), 0), else_=1))

    return measured(scope, scope.place, rows, label, failing) == 0

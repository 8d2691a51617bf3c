"""Conditions on a field: one canonical operator, a value of the field's type, two-valued nulls."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.lists import list_condition
from audience_assets.audiences.operands import operand
from audience_assets.audiences.predicates import complement, holds, predicate
from audience_assets.audiences.scope import Operand, Scope
from audience_assets.audiences.temporal import temporal
from audience_assets.project.conditions import FieldCondition
from audience_assets.project.operators import OPERATORS, TEMPORAL_TYPES, canonical, coerce, coerce_many
from audience_assets.warehouse.column_types import FIELD_TYPES
from audience_assets.warehouse.functions import TextPosition, UnicodeLower
from audience_assets.warehouse.moments import spelled_alike

Expression = sa.ColumnElement[Any]
Boolean = sa.ColumnElement[bool]


@predicate.register
def _(node: FieldCondition, scope: Scope) -> Boolean:
    value = operand(scope, node.field)
    op = canonical(node.op)
    positive = OPERATORS[op].negates
    found = _positive(value, positive or op, node, scope)
    if positive:
        found = complement(found)
    elif value.joined:
        found = holds(found)
    return sa.and_(value.expression.is_not(None), found) if node.nulls == "exclude" else found


def _positive(value: Operand, op: str, node: FieldCondition, scope: Scope) -> Boolean:
    expression = value.expression
    if OPERATORS[op].arity == "none":
        return _of_itself(expression, op)
    if isinstance(node.value, dict):
        return _other_field(value, op, operand(scope, node.value["field"]), node)
    match value.type:
        case "date" | "timestamp":
            return temporal(expression, value.type, op, node, scope.clock)
        case "list":
            return list_condition(expression, op, node.value)
        case "text":
            return _text(expression, op, node.value, folded=_folded(value, node))
    return _plain(value, op, node)


def _of_itself(expression: Expression, op: str) -> Boolean:
    """The operators without a value."""
    match op:
        case "is_empty":
            return sa.func.coalesce(sa.func.trim(expression), "") == ""
        case "is_true":
            return expression == sa.true()
        case "is_false":
            return expression == sa.false()
    return expression.is_not(None)


def _plain(value: Operand, op: str, node: FieldCondition) -> Boolean:
    """Numbers and uuids."""
    if op == "in":
        return value.expression.in_([bound(item, value) for item in coerce_many(node.value, value.type)])
    if op == "between":
        low, high = (bound(item, value) for item in coerce_many(node.value, value.type))
        return between(value.expression, low, high, node.bounds)
    return compare(value.expression, op, bound(coerce(node.value, value.type), value))


def bound(value: Any, like: Operand) -> Expression:
    """A bound parameter of the type of what it is compared with."""
    return sa.literal(value, FIELD_TYPES[like.type])


def compare(left: Expression, op: str, right: Expression) -> Boolean:
    """`is`, `gt`, `gte`, `lt`, `lte` or their names for dates."""
    match op:
        case "is":
            return left == right
        case "gt" | "after":
            return left > right
        case "gte" | "on_or_after":
            return left >= right
        case "lt" | "before":
            return left < right
        case "lte" | "on_or_before":
            return left <= right
    raise ValueError(f"the operator {op!r} has no meaning here")


def between(expression: Expression, low: Expression, high: Expression, bounds: str) -> Boolean:
    """Both ends included unless `bounds` says otherwise."""
    lower = compare(expression, "gte" if bounds[0] == "[" else "gt", low)
    return sa.and_(lower, compare(expression, "lte" if bounds[1] == "]" else "lt", high))


def _folded(value: Operand, node: FieldCondition) -> bool:
    return value.ignore_case if node.ignore_case is None else node.ignore_case


def _fold(expression: Expression, folded: bool) -> Expression:
    return UnicodeLower(expression) if folded else expression


def _text(expression: Expression, op: str, value: Any, *, folded: bool) -> Boolean:
    """Both sides are folded by the warehouse, so that its idea of lower case is the only one. Never LIKE."""
    text = _fold(expression, folded)
    if op == "in":
        return text.in_([_fold(sa.literal(item, sa.String()), folded) for item in coerce_many(value, "text")])
    part = _fold(sa.literal(coerce(value, "text"), sa.String()), folded)
    return _text_part(text, op, part)


def _text_part(text: Expression, op: str, part: Expression) -> Boolean:
    match op:
        case "contains":
            return TextPosition(text, part) > 0
        case "starts_with":
            return sa.func.substr(text, 1, sa.func.length(part)) == part
        case "ends_with":
            start = sa.func.length(text) - sa.func.length(part) + 1
            return sa.and_(start >= 1, sa.func.substr(text, start) == part)
    return compare(text, op, part)


def _other_field(value: Operand, op: str, other: Operand, node: FieldCondition) -> Boolean:
    """Compare two fields of one row."""
    if value.type in TEMPORAL_TYPES:
        return compare(spelled_alike(value.expression, value.type), op, spelled_alike(other.expression, other.type))
    if value.type == "text":
        folded = _folded(value, node)
        return _text_part(_fold(value.expression, folded), op, _fold(other.expression, folded))
    return compare(value.expression, op, other.expression)

"""The formula of a calculated field as an SQL expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from audience_assets.project.formula import Binary, Coalesce, Formula, Name, Negative, Number


def arithmetic(tree: Formula, resolve: Callable[[str], sa.ColumnElement[Any]]) -> sa.ColumnElement[float]:
    """An 8-byte number; missing where a value is missing or a division is by zero. `resolve` gives a field's column."""
    match tree:
        case Number(value):
            return sa.literal(value, sa.Double())
        case Name(name):
            return sa.cast(resolve(name), sa.Double())
        case Negative(operand):
            return -arithmetic(operand, resolve)
        case Coalesce(operands):
            return sa.func.coalesce(*(arithmetic(operand, resolve) for operand in operands))
        case Binary(operator, left, right):
            return _binary(operator, arithmetic(left, resolve), arithmetic(right, resolve))


def _binary(operator: str, left: sa.ColumnElement[float], right: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return left / sa.type_coerce(sa.func.nullif(right, sa.literal(0.0, sa.Double())), sa.Double())

"""Formulas of calculated fields: numbers, fields, `+ - * /`, parentheses and `coalesce`, nothing else.

Python's parser reads the text (nothing is ever evaluated); what is not in the grammar is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

Resolve = Callable[[str], sa.ColumnElement[Any]]
Number = sa.ColumnElement[float]


class FormulaError(ValueError):
    """The text is not a formula; the message says what is wrong with it."""


def formula_fields(text: str) -> list[str]:
    """The fields a formula names, dotted paths whole, in order of appearance. Raises FormulaError."""
    named: list[str] = []

    def note(field: str) -> sa.ColumnElement[Any]:
        named.append(field)
        return sa.null()

    formula(text, note)
    return list(dict.fromkeys(named))


def formula(text: str, resolve: Resolve) -> Number:
    """The SQL expression of a formula, an 8-byte number; a division by zero is missing (NULL).

    Raises FormulaError.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"{text!r} is not a formula") from error
    return _number(tree, resolve)


def _number(node: ast.expr, resolve: Resolve) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return sa.literal(float(value), sa.Double())
        case ast.Name() | ast.Attribute():
            return sa.cast(resolve(_path(node)), sa.Double())
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return sa.literal(0.0, sa.Double()) - _number(operand, resolve)
        case ast.BinOp(left=left, op=operator, right=right):
            return _arithmetic(operator, _number(left, resolve), _number(right, resolve))
        case ast.Call(func=ast.Name(id="coalesce"), args=[_, *_] as parts, keywords=[]):
            return sa.func.coalesce(*(_number(part, resolve) for part in parts))
    raise FormulaError(
        f"{ast.unparse(node)!r} can't be used: a formula has numbers, fields, + - * /, parentheses and coalesce(...)"
    )


def _arithmetic(operator: ast.operator, left: Number, right: Number) -> Number:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / sa.type_coerce(sa.func.nullif(right, sa.literal(0.0, sa.Double())), sa.Double())
    raise FormulaError("a formula has no other arithmetic than + - * /")


def _path(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_path(value)}.{name}"
    raise FormulaError(f"{ast.unparse(node)!r} is not a field")

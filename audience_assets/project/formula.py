"""Formulas of calculated fields: numbers, field names, + - * /, parentheses and coalesce(). Nothing else.

    formula  = term (("+" | "-") term)*
    term     = factor (("*" | "/") factor)*
    factor   = "-" factor | number | name | "coalesce" "(" formula ("," formula)* ")" | "(" formula ")"

Division by zero gives null, and so does arithmetic with a missing value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Arithmetic = Literal["+", "-", "*", "/"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)|(?P<sign>[-+*/(),]))"
)
LONGEST = 500
DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A field of the same row, plain or calculated; a dotted path follows belongs-to relationships."""

    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Formula


@dataclass(frozen=True, slots=True)
class Binary:
    operator: Arithmetic
    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Coalesce:
    """The first operand that is not missing."""

    operands: tuple[Formula, ...]


Formula = Number | Name | Negative | Binary | Coalesce


def parse_formula(text: str) -> Formula:
    """The formula's tree. Raises ValueError with the place of the mistake."""
    if len(text) > LONGEST:
        raise ValueError(f"a formula is at most {LONGEST} characters long")
    return _Parser(text).parse()


def names(formula: Formula) -> Iterator[str]:
    """Every field name in the formula, in order, repeats included."""
    match formula:
        case Name(name):
            yield name
        case Negative(operand):
            yield from names(operand)
        case Binary(_, left, right):
            yield from names(left)
            yield from names(right)
        case Coalesce(operands):
            for operand in operands:
                yield from names(operand)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.index = 0
        self.depth = 0

    def parse(self) -> Formula:
        tree = self._sum()
        if self.index < len(self.tokens):
            raise self._unexpected()
        return tree

    def _sum(self) -> Formula:
        tree = self._product()
        while (sign := self._take("+", "-")) is not None:
            tree = Binary("+" if sign == "+" else "-", tree, self._product())
        return tree

    def _product(self) -> Formula:
        tree = self._factor()
        while (sign := self._take("*", "/")) is not None:
            tree = Binary("*" if sign == "*" else "/", tree, self._factor())
        return tree

    def _factor(self) -> Formula:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"a formula is nested at most {DEEPEST} deep")
        try:
            return self._atom()
        finally:
            self.depth -= 1

    def _atom(self) -> Formula:
        if self._take("-"):
            return Negative(self._factor())
        if self._take("("):
            tree = self._sum()
            self._need(")")
            return tree
        kind, token, _ = self.tokens[self.index] if self.index < len(self.tokens) else ("end", "", 0)
        if kind not in ("number", "name"):
            raise self._unexpected()
        self.index += 1
        if kind == "number":
            return Number(float(token))
        if self._take("("):
            return self._call(token)
        return Name(token)

    def _call(self, function: str) -> Formula:
        if function != "coalesce":
            raise ValueError(f"there is no function {function!r}: a formula knows coalesce() only")
        operands = [self._sum()]
        while self._take(","):
            operands.append(self._sum())
        self._need(")")
        return Coalesce(tuple(operands))

    def _take(self, *signs: str) -> str | None:
        if self.index < len(self.tokens) and self.tokens[self.index][0] == "sign":
            token = self.tokens[self.index][1]
            if token in signs:
                self.index += 1
                return token
        return None

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise self._unexpected(f", expected {sign!r}")

    def _unexpected(self, more: str = "") -> ValueError:
        if self.index >= len(self.tokens):
            return ValueError(f"the formula ends too early{more}")
        _, token, position = self.tokens[self.index]
        return ValueError(f"unexpected {token!r} at character {position + 1}{more}")


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            bad = len(text) - len(text[position:].lstrip())
            raise ValueError(
                f"unexpected {text[bad]!r} at character {bad + 1}: a formula holds numbers, field names, "
                "+ - * /, parentheses and coalesce()"
            )
        yield found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)
        position = found.end()

"""The `filter` grammar: `op(field,value)`, several joined by commas, all of which must hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from audience_assets.sandbox.klaviyo.errors import Refusal, refusal

EXPRESSION = re.compile(r"\s*([a-z-]+)\(\s*([A-Za-z_][\w.]*)\s*,")
STRING = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*""")
BARE = re.compile(r"\s*([^\s,()\[\]\"']+)\s*")

EQUAL = frozenset({"equals"})
ANY = frozenset({"any", "equals"})
ORDER = frozenset({"greater-than", "greater-or-equal", "less-than", "less-or-equal"})


class Kind(Enum):
    """What a field is compared with."""

    TEXT = auto()
    MOMENT = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """A field that an endpoint can be filtered by."""

    kind: Kind
    operators: frozenset[str]


@dataclass(frozen=True, slots=True)
class Condition:
    """One expression. Texts come as a tuple (one element for `equals`), moments as seconds since 1970."""

    operator: str
    field: str
    texts: tuple[str, ...] = ()
    moment: float = 0.0

    def holds(self, value: Any) -> bool:
        """Compare with a field's value; an absent value matches nothing."""
        if value is None:
            return False
        if self.operator in ("equals", "any"):
            return value in self.texts
        compare: Callable[[float], bool] = {
            "greater-than": self.moment.__lt__,
            "greater-or-equal": self.moment.__le__,
            "less-than": self.moment.__gt__,
            "less-or-equal": self.moment.__ge__,
        }[self.operator]
        return compare(value)


def parse(text: str, fields: Mapping[str, Field], any_limit: int | None = None) -> list[Condition]:
    """The conditions of a filter, or a 400 that names the parameter."""
    conditions = []
    position = 0
    while True:
        condition, position = _expression(text, position, fields)
        if any_limit is not None and len(condition.texts) > any_limit:
            raise _invalid(f"any() takes at most {any_limit} values")
        conditions.append(condition)
        if position == len(text):
            return conditions
        if text[position] != ",":
            raise _invalid(f"unexpected text at character {position}")
        position += 1


def _expression(text: str, position: int, fields: Mapping[str, Field]) -> tuple[Condition, int]:
    start = EXPRESSION.match(text, position)
    if start is None:
        raise _invalid(f"expected an expression at character {position}")
    operator, name = start.groups()
    field = fields.get(name)
    if field is None:
        raise _invalid(f"'{name}' is not a filterable field")
    if operator not in field.operators:
        raise _invalid(f"'{operator}' is not allowed for '{name}'")
    value, position = _value(text, start.end())
    if not text.startswith(")", position):
        raise _invalid(f"expected ')' at character {position}")
    if field.kind is Kind.MOMENT:
        return Condition(operator, name, moment=_moment(value)), position + 1
    return Condition(operator, name, texts=_texts(operator, name, value)), position + 1


def _value(text: str, position: int) -> tuple[Any, int]:
    """A quoted text as `str`, a list as `list`, anything bare as `_Bare`."""
    if text.startswith("[", position):
        items: list[Any] = []
        position += 1
        while True:
            item, position = _value(text, position)
            items.append(item)
            if text.startswith("]", position):
                return items, position + 1
            if not text.startswith(",", position):
                raise _invalid(f"expected ',' or ']' at character {position}")
            position += 1
    if quoted := STRING.match(text, position):
        return _unquote(quoted[1]), quoted.end()
    if bare := BARE.match(text, position):
        return _Bare(bare[1]), bare.end()
    raise _invalid(f"expected a value at character {position}")


@dataclass(frozen=True, slots=True)
class _Bare:
    """A value without quotes: a number, a boolean or a moment."""

    text: str


def _unquote(quoted: str) -> str:
    if quoted[0] == "'":
        return re.sub(r"\\(.)", r"\1", quoted[1:-1])
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise _invalid("a quoted text is not well formed") from None


def _texts(operator: str, name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if operator == "any" and not isinstance(value, list):
        raise _invalid(f"any({name}, ...) takes a list")
    if any(not isinstance(item, str) for item in values):
        raise _invalid(f"the value of '{name}' must be a quoted text")
    return tuple(values)


def _moment(value: Any) -> float:
    if not isinstance(value, _Bare):
        raise _invalid("a datetime is written without quotes")
    try:
        moment = datetime.fromisoformat(value.text)
    except ValueError:
        raise _invalid(f"'{value.text}' is not a datetime") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _invalid(detail: str) -> Refusal:
    return refusal(400, f"Invalid filter provided: {detail}.", parameter="filter")

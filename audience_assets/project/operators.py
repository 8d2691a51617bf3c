"""The operators of a condition: which types they take, how many values, and what a value must look like.

`canonical` turns what people write (`=`, `is exactly`, `is NULL`) into the one name the compiler knows, `OPERATORS`
says what an operator takes, and `coerce` turns text as written in the YAML into a value of the field's type.
"""

from __future__ import annotations

import difflib
import math
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

Arity = Literal["none", "one", "two", "many"]
Operand = Literal["value", "duration", "month", "item", "length"]

NUMERIC_TYPES = frozenset({"integer", "number"})
TEMPORAL_TYPES = frozenset({"date", "timestamp"})
ALL_TYPES = frozenset({"text", "uuid", "boolean", "list"}) | NUMERIC_TYPES | TEMPORAL_TYPES
_EQUATABLE = frozenset({"text", "uuid"}) | NUMERIC_TYPES
_TEXT = frozenset({"text"})
_LIST = frozenset({"list"})

LARGEST_INTEGER = 2**63 - 1
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator takes.

    `types` are the field types it works on. `arity` is how many values: none, one, two (a list of both ends) or many
    (a list). `operand` is what a value is: one of the field's type, a duration such as `30d`, a month, or an item or
    the length of a list. `negates` is the positive twin whose complement a negative operator is: a missing value
    satisfies the negative one.
    """

    types: frozenset[str]
    arity: Arity
    operand: Operand = "value"
    negates: str | None = None


def _operators() -> dict[str, Operator]:
    comparable = _EQUATABLE | TEMPORAL_TYPES
    ranges = NUMERIC_TYPES | TEMPORAL_TYPES
    return {
        "is_set": Operator(ALL_TYPES, "none"),
        "is_not_set": Operator(ALL_TYPES, "none", negates="is_set"),
        "is_empty": Operator(_TEXT, "none"),
        "is_not_empty": Operator(_TEXT, "none", negates="is_empty"),
        "is": Operator(comparable, "one"),
        "is_not": Operator(comparable, "one", negates="is"),
        "in": Operator(_EQUATABLE, "many"),
        "not_in": Operator(_EQUATABLE, "many", negates="in"),
        "contains": Operator(_TEXT, "one"),
        "not_contains": Operator(_TEXT, "one", negates="contains"),
        "starts_with": Operator(_TEXT, "one"),
        "not_starts_with": Operator(_TEXT, "one", negates="starts_with"),
        "ends_with": Operator(_TEXT, "one"),
        "not_ends_with": Operator(_TEXT, "one", negates="ends_with"),
        "gt": Operator(NUMERIC_TYPES, "one"),
        "gte": Operator(NUMERIC_TYPES, "one"),
        "lt": Operator(NUMERIC_TYPES, "one"),
        "lte": Operator(NUMERIC_TYPES, "one"),
        "between": Operator(ranges, "two"),
        "not_between": Operator(ranges, "two", negates="between"),
        "is_true": Operator(frozenset({"boolean"}), "none"),
        "is_false": Operator(frozenset({"boolean"}), "none"),
        "before": Operator(TEMPORAL_TYPES, "one"),
        "on_or_before": Operator(TEMPORAL_TYPES, "one"),
        "after": Operator(TEMPORAL_TYPES, "one"),
        "on_or_after": Operator(TEMPORAL_TYPES, "one"),
        "in_last": Operator(TEMPORAL_TYPES, "one", "duration"),
        "not_in_last": Operator(TEMPORAL_TYPES, "one", "duration", negates="in_last"),
        "in_next": Operator(TEMPORAL_TYPES, "one", "duration"),
        "more_than_ago": Operator(TEMPORAL_TYPES, "one", "duration"),
        "anniversary_in_next": Operator(TEMPORAL_TYPES, "one", "duration"),
        "anniversary_in_last": Operator(TEMPORAL_TYPES, "one", "duration"),
        "month_is": Operator(TEMPORAL_TYPES, "one", "month"),
        "includes_any": Operator(_LIST, "many", "item"),
        "includes_none": Operator(_LIST, "many", "item", negates="includes_any"),
        "includes_all": Operator(_LIST, "many", "item"),
        "length_gte": Operator(_LIST, "one", "length"),
        "length_lte": Operator(_LIST, "one", "length"),
    }


OPERATORS: dict[str, Operator] = _operators()

# What the measure of a related model is compared with is always a number.
MEASURE_OPERATORS = ("is", "is_not", "gt", "gte", "lt", "lte", "between")

# Words people know from other tools. Keys are lower case with single underscores for blanks.
ALIASES: dict[str, str] = {
    "eq": "is",
    "=": "is",
    "==": "is",
    "equals": "is",
    "is_exactly": "is",
    "on": "is",
    "ne": "is_not",
    "!=": "is_not",
    "<>": "is_not",
    "is_not_exactly": "is_not",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "null": "is_not_set",
    "is_null": "is_not_set",
    "not_null": "is_set",
    "is_not_null": "is_set",
    "has": "contains",
    "has_not": "not_contains",
}


def canonical(op: str) -> str:
    """The one name of an operator. Raises ValueError naming the nearest operator for an unknown one."""
    word = re.sub(r"[\s_]+", "_", op.strip().lower())
    name = ALIASES.get(word, word)
    if name not in OPERATORS:
        near = difflib.get_close_matches(name, [*OPERATORS, *ALIASES], n=1)
        raise ValueError(f"there is no operator {op!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return name


def operators_for(field_type: str) -> list[str]:
    """The operators a field type takes, in the order of the table."""
    return [name for name, operator in OPERATORS.items() if field_type in operator.types]


def coerce(value: Any, field_type: str) -> Any:
    """`value` as the field's type: str, int, float, bool, date, datetime, or a uuid as text.

    A datetime is naive when the text names no zone. Dates and timestamps are literal ISO 8601 here;
    `times.resolve_moment` also knows `today-30d`. Raises ValueError, whose text quotes the value: it comes from the
    project's files, never from a member.
    """
    if value is None:
        raise ValueError("a value is missing")
    if isinstance(value, dict | list | tuple):
        raise ValueError("expected one value, not a list or a map")
    if field_type == "text":
        return _text(value)
    parser = _PARSERS.get(field_type)
    if parser is None:
        raise ValueError(f"a field of type {field_type} can't be compared with a value")
    return parser(value)


def coerce_many(values: Any, field_type: str) -> list[Any]:
    """Each of `values` as the field's type. Raises ValueError with the place of the first wrong one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError("expected a list of values")
    result = []
    for number, value in enumerate(values, start=1):
        try:
            result.append(coerce(value, field_type))
        except ValueError as error:
            raise ValueError(f"value {number}: {error}") from None
    return result


def coerce_month(value: Any) -> int:
    """1 to 12 from a number or an English name (`march`, `mar`). Raises ValueError."""
    word = str(value).strip().lower()
    if word.isdecimal() and word.isascii() and 1 <= int(word) <= 12:
        return int(word)
    for number, name in enumerate(MONTHS, start=1):
        if len(word) >= 3 and name.startswith(word):
            return number
    raise ValueError(f"{value!r} is not a month: write 1 to 12 or its English name")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not text: put it in quotes")
    text = str(value)
    if "\x00" in text:
        raise ValueError("text can't hold a NUL character")
    return text


def _integer(value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]{1,30}", text):
        raise ValueError(f"{value!r} is not a whole number")
    number = int(text)
    if abs(number) > LARGEST_INTEGER:
        raise ValueError(f"{value!r} is too large for a 64-bit number")
    return number


def _number(value: Any) -> float:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise ValueError(f"{value!r} is not a number")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is too large for a number")
    return number


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    if word not in ("true", "false"):
        raise ValueError(f"{value!r} is neither true nor false")
    return word == "true"


def _date(value: Any) -> date:
    text = str(value)
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"{value!r} is not a date: write YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{value!r} is not a day of the calendar") from None


def _timestamp(value: Any) -> datetime:
    text = value.isoformat() if isinstance(value, date) else str(value)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{value!r} is not a time: write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS+00:00") from None


def _uuid(value: Any) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise ValueError(f"{value!r} is not a UUID") from None


_PARSERS = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "uuid": _uuid,
}

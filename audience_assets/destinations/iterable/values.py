"""Values as Iterable's fields take them, and whether a field can take a value at all.

A field's type is fixed by the first value that reaches it, for good.
Iterable support, "Field Data Types" and "Managing User Profile Fields".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from audience_assets.destinations.values import has_json, in_utc

STRING, DATE, LONG, DOUBLE, BOOLEAN = "string", "date", "long", "double", "boolean"
OBJECT, NESTED, GEO = "object", "nested", "geo_location"
EMPTY = "empty list"

# Type of the field in the warehouse -> type that it gets at Iterable when we create it.
CREATED_AS = {
    "text": STRING,
    "uuid": STRING,
    "integer": LONG,
    "number": DOUBLE,
    "boolean": BOOLEAN,
    "date": DATE,
    "timestamp": DATE,
}
LONGEST_VALUE = 32_000
# yyyy-MM-dd, yyyy-MM-dd HH:mm:ss [+00:00], yyyy-MM-ddTHH:mm:ss.SSS(Z|+00:00): fractions in the T form only.
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d"
    r"(?: \d\d:\d\d:\d\d(?: [+-]\d\d:\d\d)?|T\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d)?)?"
)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a value can't be written to a field. No part of the value is in the texts."""

    reason: str
    detail: str


def to_json(value: Any, field_type: str | None) -> Any:
    """A warehouse value as JSON: dates as days, times in UTC to the second, lists and objects unfolded."""
    if isinstance(value, datetime):
        return in_utc(value).isoformat(" ", "seconds").replace("+00:00", " +00:00")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if field_type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if field_type == "list" and isinstance(value, str):
        return _unfolded(value)
    if isinstance(value, Mapping):
        return {str(name): to_json(each, None) for name, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [to_json(each, None) for each in value]
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def _unfolded(text: str) -> Any:
    """A list or an object that the warehouse keeps as text."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return found if isinstance(found, list | dict) else text


def looks_like_date(value: Any) -> bool:
    """Whether Iterable would make a date field of this text."""
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def offered_type(value: Any, field_type: str | None = None) -> str:
    """What Iterable would take the value for, in its own words. Texts that only look like dates are texts."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return LONG
    if isinstance(value, float):
        return DOUBLE
    if isinstance(value, list):
        kinds = {offered_type(each) for each in value if each is not None}
        return kinds.pop() if len(kinds) == 1 else "mixed list" if kinds else EMPTY
    if isinstance(value, dict):
        return GEO if set(value) == {"lat", "lon"} else OBJECT
    return DATE if field_type in ("date", "timestamp") else STRING


def fit(value: Any, expected: str, field_type: str | None = None) -> Any:
    """The JSON value in the field's own form, or Unfit. Null fits everywhere: it clears the field."""
    if value is None:
        return None
    fault = unusable(value)
    if fault is not None:
        return fault
    if isinstance(value, list):
        return _fit_list(value, expected, field_type)
    offered = offered_type(value, field_type)
    if expected == offered or (expected == STRING and offered == DATE):
        return value
    if expected == DATE and offered == STRING and looks_like_date(value):
        return value
    if expected == DOUBLE and offered == LONG:
        return float(value)  # whether a whole number satisfies a double field is not documented
    if expected == LONG and offered == DOUBLE and value.is_integer():
        return int(value)
    return mismatch(expected, offered)


def _fit_list(value: list[Any], expected: str, field_type: str | None) -> Any:
    """Lists are of their elements' type."""
    if expected == NESTED and all(isinstance(each, dict) for each in value):
        return value
    fitting = [fit(each, expected, field_type) for each in value]
    return next((each for each in fitting if isinstance(each, Unfit)), fitting)


def unusable(value: Any) -> Unfit | None:
    """Why no field takes the value."""
    if isinstance(value, float) and not math.isfinite(value):
        return Unfit("not_a_number", "it is no finite number")
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return Unfit("value_too_long", f"it has more than {LONGEST_VALUE:,} characters")
    return None if has_json(value) else Unfit("unusable_value", "JSON has no form for it")


def mismatch(expected: str, offered: str) -> Unfit:
    return Unfit("type_mismatch", f"Iterable's field is {expected}, the value is {offered}")

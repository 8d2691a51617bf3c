"""Warehouse values that have no plain form: moments at the calendar's ends, numbers and texts that JSON can't hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

# A whole number of JSON is read as one of 64 bits everywhere.
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def in_utc(value: datetime) -> datetime:
    """The moment in UTC, where one without a zone is.

    Dates that stand for never or always ("9999-12-31") stay what they are if UTC would be outside the calendar.
    """
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value.replace(tzinfo=UTC)


def has_json(value: Any) -> bool:
    """Whether JSON has a form for the value, parts included, that every reader takes for the same."""
    if isinstance(value, int):
        return _LOWEST <= value <= _HIGHEST
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True

"""Days as people write them."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator

# A day far from today is a slip of the pen, and counting on from it may leave the calendar.
FIRST, LAST = date(1970, 1, 1), date(2999, 12, 31)
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _as_written(value: Any) -> Any:
    """Numbers are refused: a date without its hyphens would be read as so many seconds since 1970."""
    if isinstance(value, str) and not _WRITTEN.fullmatch(value):
        raise ValueError(f"expected a date such as 2026-01-31, not {value!r}")
    if isinstance(value, str) and not FIRST.isoformat() <= value <= LAST.isoformat():
        raise ValueError(f"expected a date between {FIRST} and {LAST}, not {value!r}")
    return value


Day = Annotated[date, BeforeValidator(_as_written)]

"""What a successful call says of single rows.

Emarsys writes it in three shapes: `[]`, `{"<value>": {"<code>": "<text>"}}`, and, of field values, a list of
`{"key", "errorCode", "errorMsg"}`. https://dev.emarsys.com/docs/core-api-reference: "Contact lists", "HTTP 200 errors"
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from audience_assets.destinations.base import Misconfigured
from audience_assets.destinations.emarsys.endpoints import Code
from audience_assets.destinations.emarsys.envelope import number
from audience_assets.destinations.shapes import records

# About the field that values are matched by, and so about every row.
_OF_THE_KEY = frozenset({Code.BAD_KEY_FIELD, Code.NO_SUCH_FIELD})


@dataclass(frozen=True, slots=True)
class RowErrors:
    """Codes by value. Values are compared in any case: whether Emarsys repeats them as sent is not documented."""

    codes: dict[str, set[int]] = field(default_factory=dict)

    def of(self, value: str) -> set[int]:
        """What was said of a value; nothing if its row got through."""
        return self.codes.get(folded(value), set())

    def strays(self, values: Collection[str]) -> bool:
        """Whether something is said of a value that is none of these, so that nobody knows whose row it is."""
        return bool(self.codes.keys() - {folded(value) for value in values})


def read_row_errors(errors: Any) -> RowErrors:
    """From `data.errors`. Misconfigured if the rows' key is refused."""
    found: dict[str, set[int]] = {}
    if isinstance(errors, dict):
        for value, said in errors.items():
            texts = said if isinstance(said, dict) else {}
            found.setdefault(folded(value), set()).update(number(code) or 0 for code in texts or [0])
    elif isinstance(errors, list):
        for each in records(errors):
            found.setdefault(folded(str(each.get("key"))), set()).add(number(each.get("errorCode")) or 0)
    if any(codes & _OF_THE_KEY for codes in found.values()):
        raise Misconfigured("Emarsys says that contacts can't be matched by the field asked for.")
    return RowErrors(found)


def all_unknown(values: Collection[str]) -> RowErrors:
    """As if the vendor had said of each value that nobody has it."""
    return RowErrors({folded(value): {int(Code.UNKNOWN_CONTACT)} for value in values})


def folded(value: str) -> str:
    """A value as answers are searched for it."""
    return value.strip().lower()

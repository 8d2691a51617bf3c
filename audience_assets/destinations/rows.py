"""Getting a batch through: rows the vendor points at are dropped, a batch it refuses without pointing is bisected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from audience_assets.destinations.base import BadBatch, BadRow, BadRows, DestinationError, Throttled, Unavailable

Row = TypeVar("Row")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class RowResult(Generic[Row, Answer]):
    """What became of one row: the answer of the request that carried it, or its refusal, or neither.

    With neither, `error` is the outage that left the row undecided.
    """

    row: Row
    answer: Answer | None = None
    refusal: BadRow | None = None
    error: DestinationError | None = None

    @property
    def sent(self) -> bool:
        return self.refusal is None and self.error is None


def deliver_rows(
    rows: Sequence[Row], send: Callable[[Sequence[Row]], Answer], *, at_most: int
) -> list[RowResult[Row, Answer]]:
    """Send `rows`, at most so many a request, and return one result a row, in their order.

    A refused request must have applied none of its rows. Good rows are accepted exactly once. An outage (Unavailable,
    Throttled) ends the delivery: what was accepted stays so, the rest is undecided. Other errors are about the whole
    sync and are raised. With k bad rows nobody points at, n rows cost at most about 2 k log2(n) requests.
    """
    results: list[RowResult[Row, Answer]] = [RowResult(row) for row in rows]
    open_parts = deque(list(range(start, min(start + at_most, len(rows)))) for start in range(0, len(rows), at_most))
    while open_parts:
        part = open_parts.popleft()
        try:
            answer = send([rows[number] for number in part])
        except BadRows as error:
            # Of several errors of one row the first is told.
            refused = {row.index: row for row in reversed(error.rows) if 0 <= row.index < len(part)}
            for index, row in refused.items():
                results[part[index]].refusal = row
            rest = [number for index, number in enumerate(part) if index not in refused]
            open_parts.extendleft([rest] if refused and rest else [] if refused else _split(part, error, results))
        except BadBatch as error:
            open_parts.extendleft(_split(part, error, results))
        except (Unavailable, Throttled) as error:
            for number in [*part, *(number for later in open_parts for number in later)]:
                results[number].error = error
            break
        else:
            for number in part:
                results[number].answer = answer
    return results


def _split(part: list[int], error: BadBatch | BadRows, results: list[RowResult[Row, Answer]]) -> list[list[int]]:
    """Halves of a refused part, the first half last for `extendleft`; a single row is the culprit."""
    if len(part) > 1:
        middle = len(part) // 2
        return [part[middle:], part[:middle]]
    reason = error.reason if isinstance(error, BadBatch) else "refused_by_vendor"
    results[part[0]].refusal = BadRow(0, reason, str(error))
    return []

"""Pages of any sequence whose positions stay put."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

from audience_assets.sandbox.klaviyo.query import Cursor, Query

T = TypeVar("T")


def paginate(
    positions: Sequence[int], get: Callable[[int], T | None], query: Query
) -> tuple[list[T], Cursor | None, Cursor | None]:
    """One page of the items that `get` finds (None: nothing there), and the cursors of the next and previous.

    `positions` must ascend; `query.descending` reads them from the end.
    """
    cursor = query.cursor
    backwards = cursor is not None and cursor.backwards
    found = _scan(positions, get, cursor, query.size + 1, descending=query.descending != backwards)
    more = len(found) > query.size
    found = found[: query.size]
    if backwards:
        found.reverse()
    items = [item for _, item in found]
    if not found:
        return items, None, None
    first, last = found[0][0], found[-1][0]
    following = Cursor(last) if more or backwards else None
    if backwards:
        previous = Cursor(first, True) if more else None
    else:
        before = _scan(positions, get, Cursor(first), 1, descending=not query.descending) if cursor else []
        previous = Cursor(first, True) if before else None
    return items, following, previous


def _scan(
    positions: Sequence[int],
    get: Callable[[int], T | None],
    cursor: Cursor | None,
    count: int,
    *,
    descending: bool,
) -> list[tuple[int, T]]:
    """The first `count` items beyond the cursor's position."""
    found: list[tuple[int, T]] = []
    low, high = 0, len(positions)
    if cursor is not None and descending:
        high = bisect_left(positions, cursor.position)
    elif cursor is not None:
        low = bisect_right(positions, cursor.position)
    for index in range(high - 1, low - 1, -1) if descending else range(low, high):
        item = get(positions[index])
        if item is not None:
            found.append((positions[index], item))
            if len(found) == count:
                break
    return found


def links(address: str, query: Query, following: Cursor | None, previous: Cursor | None) -> dict[str, str | None]:
    """The `links` of a collection: null at the ends, brackets encoded."""

    def at(cursor: Cursor | None) -> str:
        pairs = query.others + ([("page[cursor]", str(cursor))] if cursor else [])
        text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
        return f"{address}?{text}" if text else address

    return {
        "self": at(query.cursor),
        "next": at(following) if following else None,
        "prev": at(previous) if previous else None,
    }

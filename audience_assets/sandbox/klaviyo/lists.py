"""Lists and who is in them, in the order of joining."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

SINGLE = "single_opt_in"
DOUBLE = "double_opt_in"


class KlaviyoList:
    """One list. Membership is kept by profile number.

    Every joining has a position that never changes, so a reader who pages through misses nobody while others
    come and go. Times are seconds since 1970.
    """

    def __init__(self, list_id: str, name: str, opt_in_process: str, created: float) -> None:
        self.id = list_id
        self.name = name
        self.opt_in_process = opt_in_process
        self.created = created
        self.updated = created
        self._positions: dict[int, int] = {}
        self._numbers = array("q")
        self._joined = array("d")

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, number: int) -> bool:
        return number in self._positions

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._positions))

    def add(self, number: int, at: float) -> bool:
        """False if the profile was in already; its joining date then stays."""
        if number in self._positions:
            return False
        self._positions[number] = len(self._numbers)
        self._numbers.append(number)
        self._joined.append(max(at, self._joined[-1]) if self._joined else at)
        return True

    def remove(self, number: int) -> bool:
        return self._positions.pop(number, None) is not None

    def joined_at(self, number: int) -> float | None:
        position = self._positions.get(number)
        return None if position is None else self._joined[position]

    def position_of(self, number: int) -> int | None:
        return self._positions.get(number)

    @property
    def positions(self) -> int:
        """One above the highest position in use."""
        return len(self._numbers)

    def at(self, position: int) -> int | None:
        """The number of the profile that joined there and is still in."""
        number = self._numbers[position]
        return number if self._positions.get(number) == position else None

    def joined_between(self, after: float | None, before: float | None, *, inclusive: bool = False) -> range:
        """The positions whose joining lies between two times."""
        low, high = 0, len(self._joined)
        if after is not None:
            low = (bisect_left if inclusive else bisect_right)(self._joined, after)
        if before is not None:
            high = (bisect_right if inclusive else bisect_left)(self._joined, before)
        return range(low, max(low, high))

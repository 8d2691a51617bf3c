"""Lists and who is in them."""

from __future__ import annotations

from collections.abc import Iterator

STANDARD, DYNAMIC, SUPPRESSION, INTERNAL = "Standard", "Dynamic", "Suppression", "Internal"


class IterableList:
    """One list. Membership is kept by user number."""

    def __init__(self, list_id: int, name: str, list_type: str, description: str | None, created: float) -> None:
        self.id = list_id
        self.name = name
        self.list_type = list_type
        self.description = description
        self.created = created
        # In a journey or campaign a list can't be deleted.
        self.in_use = False
        self._members: dict[int, None] = {}
        # How often somebody joined, those who were in already included: each may start a journey.
        self.joinings = 0

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, number: int) -> bool:
        return number in self._members

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._members))

    def add(self, number: int) -> None:
        self.joinings += 1
        self._members[number] = None

    def remove(self, number: int) -> None:
        self._members.pop(number, None)

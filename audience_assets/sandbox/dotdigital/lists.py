"""Lists ("address books") and who is in them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

SUBSCRIBED, SUPPRESSED = "subscribed", "suppressed"
PRIVATE, PUBLIC = "Private", "Public"
RESERVED = ("All contacts", "Test")
LONGEST_NAME = 128


@dataclass(slots=True)
class Departure:
    """Somebody unsubscribed from the list."""

    contact_id: int
    at: float


class ContactList:
    """One list. A person who unsubscribed from it stays, with the status suppressed."""

    def __init__(self, list_id: int, name: str, visibility: str, *, system: bool = False) -> None:
        self.id = list_id
        self.name = name
        self.visibility = visibility
        self.system = system
        self.departures: dict[int, Departure] = {}
        self._members: dict[int, str] = {}
        self._sorted: list[int] | None = None

    def __len__(self) -> int:
        """Who would be mailed."""
        return len(self._members) - len(self.departures.keys() & self._members.keys())

    def status_of(self, contact_id: int) -> str | None:
        return self._members.get(contact_id)

    def add(self, contact_id: int, *, lifts_opt_out: bool) -> bool:
        """False if nothing changed: the contact was in, or has unsubscribed and that stands."""
        before = self._members.get(contact_id)
        if before == SUBSCRIBED or (before == SUPPRESSED and not lifts_opt_out):
            return False
        if contact_id in self.departures and not lifts_opt_out:
            self._set(contact_id, SUPPRESSED)
            return True
        self.departures.pop(contact_id, None)
        self._set(contact_id, SUBSCRIBED)
        return True

    def remove(self, contact_id: int, *, forgets_opt_out: bool) -> bool:
        if contact_id in self.departures and not forgets_opt_out:
            return False
        self.departures.pop(contact_id, None)
        self._sorted = None
        return self._members.pop(contact_id, None) is not None

    def unsubscribe(self, contact_id: int, at: float, *, stays: bool = True) -> None:
        """The person's own doing. Without `stays` the membership ends as well."""
        self.departures[contact_id] = Departure(contact_id, at)
        if stays:
            self._set(contact_id, SUPPRESSED)
        else:
            self._members.pop(contact_id, None)
            self._sorted = None

    def after(self, contact_id: int, *, with_suppressed: bool) -> list[int]:
        """Members with a higher id, in order."""
        if self._sorted is None:
            self._sorted = sorted(self._members)
        found = self._sorted[bisect_right(self._sorted, contact_id) :]
        return found if with_suppressed else [each for each in found if self._members[each] == SUBSCRIBED]

    def ids(self) -> list[int]:
        """Everybody who is in and did not unsubscribe."""
        return [contact_id for contact_id, status in self._members.items() if status == SUBSCRIBED]

    def _set(self, contact_id: int, status: str) -> None:
        if contact_id not in self._members:
            self._sorted = None
        self._members[contact_id] = status

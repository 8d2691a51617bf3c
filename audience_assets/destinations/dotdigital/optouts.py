"""Who unsubscribed from the list: never put back by us.

What v3 does with them is not documented, and the sources contradict each other: the write may leave their membership
suppressed or lift it. So the list's own feed of unsubscribed people is read before anybody is added, and who is in it
is looked up: only a membership that Dotdigital calls subscribed or pending says that they have come back.

Nor are they taken off the list: that might take the record of their decision along, and they get nothing from it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from audience_assets.destinations.dotdigital.client import DotdigitalClient
from audience_assets.destinations.dotdigital.identifiers import WIRE_NAMES, Key, Row, key_of
from audience_assets.destinations.shapes import records

# People unsubscribe while a long sync runs.
FRESH_FOR = timedelta(minutes=5)
_EVER = date(2000, 1, 1)
PRESENT = frozenset({"subscribed", "pending"})


class OptOuts:
    """The unsubscribed people of one list, for one sync. Safe on many threads."""

    def __init__(self, client: DotdigitalClient, list_id: str, kind: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._list_id = list_id
        self._kind = kind
        self._now = now
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        # Contact id -> identifier, by which the list matches; None where the contact has none.
        self._people: dict[int, Key | None] = {}

    def among(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of people who unsubscribed from the list and have not come back by themselves."""
        with self._lock:
            self._refresh()
            ids, keys = set(self._people), set(self._people.values())
        return [row for row in rows if (row.contact_id in ids or row.key in keys) and not self._came_back(row)]

    def _refresh(self) -> None:
        now = self._now()
        if self._read_at is not None and now - self._read_at < FRESH_FOR:
            return
        since = _EVER if self._read_at is None else (self._read_at - timedelta(days=1)).date()
        for person in self._client.unsubscribed(self._list_id, since):
            if person["id"] not in self._people:
                self._people[person["id"]] = self._key(person)
        self._read_at = now

    def _key(self, person: dict[str, Any]) -> Key | None:
        """The feed is v2's and tells addresses only; a number is looked up."""
        if self._kind != "phone":
            return key_of(self._kind, person["id"], person)
        contact = self._client.contact("contactId", str(person["id"]))
        return key_of(self._kind, None, contact.get("identifiers") or {}) if contact else None

    def _came_back(self, row: Row) -> bool:
        if row.contact_id is not None:
            contact = self._client.contact("contactId", str(row.contact_id))
        else:
            contact = self._client.contact(WIRE_NAMES[self._kind], str(row.key))
        return membership(contact, self._list_id) in PRESENT


def membership(contact: dict[str, Any] | None, list_id: str) -> str | None:
    """The contact's status in a list: subscribed, suppressed, pending; None if it is not in it."""
    lists = records((contact or {}).get("lists") or [])
    return next((str(each.get("status")) for each in lists if str(each.get("id")) == list_id), None)

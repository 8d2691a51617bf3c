"""Whose the further identifiers of a file's rows are.

Klaviyo looks for a row's profile by e-mail address, else by phone number, else by external id. For an address that it
does not know, a number of somebody else's would find their profile and give it that address: mail on another person's
consent. So a row carries its strongest identifier, and of the others only what no other profile and no other row has.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from audience_assets.destinations.klaviyo.client import KlaviyoClient

# In this order Klaviyo looks for the profile of a row.
WIRE_NAMES = {"email": "email", "phone": "phone_number", "external_id": "external_id"}

# A row's identifiers by kind, normalised.
Identifiers = Mapping[str, str]
ON_OTHER_PROFILE, IN_OTHER_ROW = "identifier_conflict", "duplicate_{kind}"


class Owners:
    """For one sync. Safe on many threads. Without a client nothing is known of Klaviyo's profiles."""

    def __init__(self, client: KlaviyoClient | None) -> None:
        self._client = client
        # Hashes: of a million numbers the numbers themselves would not fit in memory.
        self._taken: set[int] = set()
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        """Requests the current thread has sent."""
        return self._client.calls if self._client is not None else 0

    def faults(self, rows: Sequence[Identifiers]) -> list[dict[str, str]]:
        """For each row the kinds that it must not carry, with the reason. Throttled, Unavailable."""
        faults: list[dict[str, str]] = [{} for _ in rows]
        for kind in list(WIRE_NAMES)[1:]:
            asked = {number: row[kind] for number, row in enumerate(rows) if kind in row and _strongest(row) != kind}
            owners = self._owners(kind, list(dict.fromkeys(asked.values())))
            for number, value in asked.items():
                if _is_foreign(rows[number], owners.get(value, ())):
                    faults[number][kind] = ON_OTHER_PROFILE
                elif not self._take(kind, value):
                    faults[number][kind] = IN_OTHER_ROW.format(kind=kind)
        return faults

    def _owners(self, kind: str, values: Sequence[str]) -> dict[str, list[Identifiers]]:
        found: dict[str, list[Identifiers]] = {}
        if self._client is not None and values:
            for profile in self._client.identities(WIRE_NAMES[kind], values):
                found.setdefault(profile.get(WIRE_NAMES[kind], ""), []).append(profile)
        return found

    def _take(self, kind: str, value: str) -> bool:
        """Whether no earlier row has it."""
        key = hash((kind, value))
        with self._lock:
            is_free = key not in self._taken
            self._taken.add(key)
        return is_free


def _strongest(row: Identifiers) -> str:
    return next(kind for kind in WIRE_NAMES if kind in row)


def _is_foreign(row: Identifiers, owners: Sequence[Identifiers]) -> bool:
    """Whether a profile with one of the row's weaker identifiers is known by another strongest one."""
    kind = _strongest(row)
    known = (owner.get(WIRE_NAMES[kind]) for owner in owners)
    return any(told and told.strip().lower() != row[kind].lower() for told in known)

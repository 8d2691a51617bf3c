"""Who among the added can't be reached: opted out of the channel in the account, suppressed, bounced.

v3 puts suppressed people into a list and leaves the channel's status alone (contacts description), so they are members
whom no campaign reaches. An import does not tell them apart; the contacts it changed are read back, 5,000 a call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from audience_assets.destinations.base import Issue, Throttled, Unavailable
from audience_assets.destinations.dotdigital.client import DotdigitalClient

_log = logging.getLogger(__name__)

# Others write to the account as well, a shop's connector perhaps a great deal.
MOST_PAGES = 50
_REACHABLE = frozenset({"subscribed", "noSubscription", "pendingOptIn"})
_OPTED_OUT = frozenset({"unsubscribed", "directComplaint", "ispComplained", "knownComplainer"})
_CHANNELS = {"email": "email", "phone": "sms", "contact_id": None}


class Standing:
    """Unreachable people of the account among those changed since the sync began. Safe on many threads."""

    def __init__(self, client: DotdigitalClient, kind: str) -> None:
        self._client = client
        self._channel = _CHANNELS[kind]
        # By Dotdigital's clock: when the next reading begins, None before the first import.
        self._since: datetime | None = None
        self._unreachable: dict[int, str] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._begun = 0
        self._given_up = False

    def issue_of(self, contact_id: int | None) -> Issue | None:
        """What to say of a member who was added."""
        status = self._unreachable.get(contact_id) if contact_id is not None else None
        if status is None:
            return None
        reason = "vendor_opt_out" if status in _OPTED_OUT else "unreachable"
        return Issue(reason, f"in the list, but {status} at Dotdigital", self._channel or "email")

    def begin(self) -> None:
        """Before an import: note the time, if it is the first."""
        with self._turn:
            if self._since is None and not self._given_up:
                self._since = self._client.server_time()
                self._given_up = self._since is None

    def catch_up(self) -> None:
        """Read whatever was changed until now. A reading that another thread begins after this call is as good."""
        with self._lock:
            arrived = self._begun
        with self._turn:
            if self._begun > arrived or self._given_up:
                return
            with self._lock:
                self._begun += 1
            try:
                self._read()
            except (Throttled, Unavailable) as error:
                # They are in the list; only who can't be reached stays untold, until the next reading.
                _log.warning("Who can't be reached could not be read: %s", error)

    def _read(self) -> None:
        newest = self._since
        if newest is None:
            return
        pages = self._client.contacts(modified_since=self._since, include="channelProperties")
        for number, page in enumerate(pages, start=1):
            for contact in page:
                newest = max(newest, _moment(contact.get("updated")) or newest)
                self._note(contact)
            if number >= MOST_PAGES:
                self._given_up = True
                _log.warning("Much else is written to the account: who can't be reached is not told in this sync.")
                return
        self._since = newest

    def _note(self, contact: Mapping[str, Any]) -> None:
        status = contact.get("status")
        if self._channel is not None:
            status = ((contact.get("channelProperties") or {}).get(self._channel) or {}).get("status")
        if status and status not in _REACHABLE:
            self._unreachable[contact["contactId"]] = str(status)
        else:
            self._unreachable.pop(contact["contactId"], None)


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

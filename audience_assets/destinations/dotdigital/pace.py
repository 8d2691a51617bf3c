"""The calls we make and how fast they may be made, as far as that is known before the account's answers tell.

Two schemes (developer hub, "Call rate limits"; help centre, "API rate limits"):

    tiered   each call belongs to a tier, and each tier has so many calls a minute. Which call belongs where and how
             many calls a package has is not published but for one number (Low on Basic: 35), so all calls but polls
             are taken for Low until X-RateLimit-Scope and X-RateLimit-Limit say otherwise.
    flat     so many calls in a rolling hour, all calls together.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from audience_assets.destinations.base import Endpoint, RateWindow

ACCOUNT_INFO = "get_account_info"
SERVER_TIME = "get_server_time"
GET_LISTS = "get_lists"
GET_LIST = "get_list"
CREATE_LIST = "create_list"
UPDATE_LIST = "update_list"
GET_UNSUBSCRIBED = "get_unsubscribed_from_list"
GET_CONTACT = "get_contact"
GET_CONTACTS = "get_contacts"
IMPORT = "import_contacts"
IMPORT_STATUS = "get_import"
REMOVE = "remove_contacts"
REMOVAL_STATUS = "get_removal"

POLLS = frozenset({IMPORT_STATUS, REMOVAL_STATUS})
LOW, UNLIMITED = "lowCallRate", "unlimitedCallRate"


class Pace:
    """The limits of one account, learned from its answers. Safe on many threads."""

    def __init__(self, scheme: str, *, low_tier_per_minute: int, flat_per_hour: int) -> None:
        self._flat = RateWindow(flat_per_hour, 3600) if scheme == "flat" else None
        self._scopes = dict.fromkeys(POLLS, UNLIMITED)
        self._limits: dict[str, int] = {LOW: low_tier_per_minute}
        self._told: set[str] = set()
        self._silent = False
        self._lock = threading.Lock()

    @property
    def told(self) -> Mapping[str, int]:
        """Calls a minute by tier, as assumed or as the account has said."""
        return dict(self._limits)

    def endpoint(self, call: str) -> Endpoint:
        """A call and its limit, as far as that is known or assumed: for estimates."""
        if self._flat is not None:
            return Endpoint(call, (self._flat,), "hour")
        scope = self._scopes.get(call, LOW)
        limit = self._limits.get(scope)
        return Endpoint(call, (RateWindow(limit, 60),) if limit else (), scope)

    def leaving(self, call: str) -> Endpoint:
        """A call that leaves now, as the limiter knows it.

        Before a tier has told its limit nothing is waited for: the account of most is allowed more than we assume, and
        a call too many is answered with the time to wait. Who is told nothing keeps to the assumption.
        """
        found = self.endpoint(call)
        waits = self._flat is not None or self._silent or found.bucket in self._told
        return found if waits else Endpoint(call, (), found.bucket)

    def learn(self, call: str, headers: Mapping[str, str]) -> bool:
        """Note what an answer says of the call's tier; False if it says nothing, as with the flat scheme."""
        scope, limit = headers.get("X-RateLimit-Scope"), headers.get("X-RateLimit-Limit")
        if not scope or not limit or not limit.isdigit():
            self._silent = self._silent or call not in POLLS
            return False
        with self._lock:
            self._scopes[call] = scope
            self._told.add(scope)
            if int(limit) > 0:
                self._limits[scope] = int(limit)
        return True

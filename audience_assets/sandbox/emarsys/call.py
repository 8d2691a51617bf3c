"""One call on its way through an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from audience_assets.sandbox.emarsys.account import ContactList, EmarsysAccount
from audience_assets.sandbox.emarsys.answers import Refusal
from audience_assets.sandbox.emarsys.contacts import EMAIL
from audience_assets.sandbox.emarsys.switches import EmarsysSwitches
from audience_assets.sandbox.messages import Request, Response

# The key of contacts, as it may be written.
KEYS = {"3": EMAIL, "email": EMAIL, "id": "id", "uid": "uid"}


@dataclass(slots=True)
class Call:
    """What a handler gets. The account is locked."""

    account: EmarsysAccount
    request: Request
    version: str
    ids: Mapping[str, str]
    body: Any

    @property
    def switches(self) -> EmarsysSwitches:
        return self.account.switches

    @property
    def applied(self) -> bool:
        return self.request.applied

    def field(self, name: str) -> Any:
        """A field of the body, which must be an object."""
        if not isinstance(self.body, dict):
            raise Refusal(400, 1001, "Invalid or missing parameters")
        return self.body.get(name)

    def key(self, name: str = "key_id") -> str:
        """The key field that values are of. The documented default is ambiguous, so it is required here."""
        given = str(self.field(name))
        if given not in KEYS:
            raise Refusal(400, 2004, f"Invalid key field id: {given}")
        return KEYS[given]

    def told(self, value: str) -> str:
        """A value as answers repeat it."""
        forms = {"sent": value, "lower": value.lower(), "quoted": quote(value)}
        return forms[self.switches.values_told]

    def the_list(self, missing: Callable[[str], Refusal]) -> ContactList:
        """The list of the path; `missing` words that there is none."""
        given = self.ids["id"]
        if not given.isdigit():
            raise Refusal(400, 1, f"Action {given} is invalid.")
        found = self.account.find_list(int(given))
        if found is None:
            raise missing(given)
        return found


def no_such_list(_: str) -> Refusal:
    return Refusal(404, 3006, "There is no contact list with the id")


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path after the version."""

    name: str
    method: str
    path: str
    permission: str
    handler: Handler

"""One call on its way through an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from audience_assets.sandbox.dotdigital.errors import LIST_NOT_FOUND, v2
from audience_assets.sandbox.messages import Request, Response

if TYPE_CHECKING:
    from audience_assets.sandbox.dotdigital.account import DotdigitalAccount
    from audience_assets.sandbox.dotdigital.lists import ContactList

LOW, MEDIUM, HIGH, UNLIMITED = "lowCallRate", "mediumCallRate", "highCallRate", "unlimitedCallRate"
# Calls a minute. Only Low on the package Basic is known.
TIERS = {LOW: 35, MEDIUM: 150, HIGH: 600}


@dataclass(slots=True)
class Call:
    """What a handler gets. The account is locked and everything due by `now` has been done."""

    account: DotdigitalAccount
    request: Request
    now: float
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None

    def whole(self, name: str) -> int:
        """A number of the path; no list has any other id."""
        text = self.ids[name]
        if not text.isdigit():
            raise v2(400, "ERROR_PARAMETER_INVALID")
        return int(text)

    def list_or_404(self, name: str = "id") -> ContactList:
        found = self.account.find_list(self.whole(name))
        if found is None:
            raise LIST_NOT_FOUND
        return found

    def writable_list(self, name: str = "id") -> ContactList:
        found = self.list_or_404(name)
        if found.system:
            raise v2(400, "ERROR_ADDRESSBOOK_NOTWRITABLE", "Address book cannot be written to via the API.")
        return found

    def select_skip(self) -> tuple[int, int]:
        """`select` 1 to 1000, `skip` from 0."""
        found = []
        for name, default, least, most in (("select", 1000, 1, 1000), ("skip", 0, 0, 2**31 - 1)):
            text = self.query.get(name, str(default))
            if not text.lstrip("-").isdigit() or not least <= int(text) <= most:
                raise v2(400, "ERROR_PARAMETER_INVALID")
            found.append(int(text))
        return found[0], found[1]


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path, and the tier its calls are counted in."""

    name: str
    method: str
    path: str
    handler: Handler
    tier: str = LOW

    @property
    def is_v3(self) -> bool:
        return self.path.startswith("/contacts/v3")


def answer(status: int, document: Any = None, *, rows: int | None = None) -> Response:
    """A JSON answer; without a document an empty one."""
    return Response(status, b"" if document is None else orjson.dumps(document), rows=rows)

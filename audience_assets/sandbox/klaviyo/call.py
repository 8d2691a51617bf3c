"""One call on its way through an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from audience_assets.sandbox.klaviyo.errors import refusal
from audience_assets.sandbox.klaviyo.query import Query, QuerySpec
from audience_assets.sandbox.messages import Request, Response
from audience_assets.sandbox.windows import Window

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount
    from audience_assets.sandbox.klaviyo.lists import KlaviyoList

LARGE = (Window(75, 1), Window(750, 60))
MEDIUM = (Window(10, 1), Window(150, 60))
EXTRA_SMALL = (Window(1, 1), Window(15, 60))
NO_QUERY = QuerySpec()


@dataclass(slots=True)
class Call:
    """What a handler gets. The account is locked and everything due by `now` has been applied."""

    account: KlaviyoAccount
    request: Request
    now: float
    revision: str
    ids: Mapping[str, str]
    query: Query
    body: Any = None

    @property
    def base(self) -> str:
        return self.request.base_url

    @property
    def address(self) -> str:
        """The called address without its parameters, as it appears in links."""
        return self.request.base_url + self.request.path

    def list_or_404(self) -> KlaviyoList:
        found = self.account.find_list(self.ids["id"])
        if found is None:
            raise refusal(404, f"A list with id {self.ids['id']} does not exist.")
        return found

    def later(self, effect: Callable[[float], None]) -> None:
        """Plan the effect of a consent call, unless a fault swallows it."""
        if self.request.applied:
            switches = self.account.switches
            self.account.agenda.add(self.now + switches.consent_delay, effect, switches.delay_jitter)


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `limits` hold for each account; `variants` are stricter ones for costly fields."""

    name: str
    method: str
    path: str
    handler: Handler
    scopes: frozenset[str]
    limits: tuple[Window, ...] = LARGE
    variants: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)
    query: QuerySpec = NO_QUERY
    max_body: int | None = None


def answer(status: int, document: Any = None, *, rows: int | None = None) -> Response:
    """A JSON:API answer; without a document an empty one."""
    body = b"" if document is None else orjson.dumps(document)
    return Response(status, body, rows=rows)

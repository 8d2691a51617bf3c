"""What a vendor's twin must offer. One folder each; the server knows nothing else of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from audience_assets.sandbox.clock import Clock
from audience_assets.sandbox.faults import Faults
from audience_assets.sandbox.log import RequestLog
from audience_assets.sandbox.messages import Request, Response


@dataclass(slots=True)
class Cell:
    """Text that leads to another view of the same vendor."""

    text: str
    path: str


@dataclass(slots=True)
class Table:
    """One table of the page."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    note: str = ""
    # Views with the rows before and after these.
    previous: str | None = None
    following: str | None = None


@dataclass(slots=True)
class View:
    """What the page shows at one path of a vendor."""

    title: str
    tables: list[Table] = field(default_factory=list)


class SandboxVendor(Protocol):
    """A vendor's twin: answers requests, takes commands from tests, shows itself on the page.

    `handle` is called on many threads at once. `endpoint` names the call for faults and the log ("" when no
    operation has that path). `refuse` words an injected failure as the vendor would.
    """

    name: str
    title: str
    clock: Clock

    def endpoint(self, request: Request) -> str: ...

    def handle(self, request: Request) -> Response: ...

    def refuse(self, status: int, retry_after: int | None) -> Response: ...

    def command(self, name: str, arguments: dict[str, Any]) -> Any:
        """A command from `/_sandbox/<vendor>/<name>`; the result becomes JSON. KeyError: no such command."""
        ...

    def view(self, path: str, parameters: dict[str, str]) -> View | None:
        """What to show at `path` ("" is the overview); None when there is nothing."""
        ...


@dataclass(frozen=True)
class Wire:
    """What the sandbox lends a vendor that listens by itself."""

    faults: Faults
    log: RequestLog


@runtime_checkable
class Listens(Protocol):
    """A vendor that is reached another way, too, e.g. by SFTP."""

    def listen(self, wire: Wire) -> None:
        """Called when the sandbox starts."""
        ...

    def hang_up(self) -> None:
        """Called when it stops; nothing of the vendor's threads outlives it."""
        ...

"""What a destination raises, and what the engine makes of it.

DestinationError
├── Unauthorized     the key is wrong or lacks a scope: stop the sync
├── Misconfigured    the account or list can't do what is asked: stop the sync
├── ListMissing      the list was deleted at the vendor: stop, `recreate` is the answer
├── Throttled        the vendor's limit was reached and waiting did not help: the batch is decided anew
├── Unavailable      5xx, resets, timeouts after all retries: the call may or may not have been applied
├── BadRows          the vendor points at rows: they are rejected, the rest is sent again
└── BadBatch         the vendor refuses the batch without pointing: it is bisected
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audience_assets.errors import AudienceError


class DestinationError(AudienceError):
    """The vendor refused or could not be reached. `request_id` is the vendor's reference for support."""

    def __init__(self, message: str, *, status: int | None = None, request_id: str | None = None) -> None:
        self.status = status
        self.request_id = request_id
        place = ", ".join(
            filter(None, (f"HTTP {status}" if status else "", f"request {request_id}" if request_id else ""))
        )
        super().__init__(f"{message} [{place}]" if place else message)


class Unauthorized(DestinationError): ...


class Misconfigured(DestinationError): ...


class ListMissing(DestinationError): ...


class Throttled(DestinationError):
    """Retry-After, in seconds."""

    def __init__(
        self, message: str, *, retry_after: float, status: int | None = 429, request_id: str | None = None
    ) -> None:
        self.retry_after = retry_after
        super().__init__(message, status=status, request_id=request_id)


class Unavailable(DestinationError): ...


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row the vendor points at, by its index in the request. `field` is the part of the row, where it says so."""

    index: int
    reason: str
    detail: str | None = None
    field: str | None = None


class BadRows(DestinationError):
    def __init__(
        self, message: str, rows: Sequence[BadRow], *, status: int | None = 400, request_id: str | None = None
    ) -> None:
        self.rows = list(rows)
        super().__init__(message, status=status, request_id=request_id)


class BadBatch(DestinationError):
    """`reason` is what the last row left says when bisecting has found it."""

    def __init__(
        self,
        message: str,
        *,
        reason: str = "refused_by_vendor",
        status: int | None = 400,
        request_id: str | None = None,
    ) -> None:
        self.reason = reason
        super().__init__(message, status=status, request_id=request_id)

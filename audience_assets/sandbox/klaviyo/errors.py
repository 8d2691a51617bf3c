"""Klaviyo's error answers."""

from __future__ import annotations

import uuid
from typing import Any

CODES = {
    400: ("invalid", "Invalid input."),
    401: ("authentication_failed", "Incorrect authentication credentials."),
    403: ("permission_denied", "You do not have permission to perform this action."),
    404: ("not_found", "Not found."),
    405: ("method_not_allowed", "Method not allowed."),
    409: ("duplicate_profile", "Conflict."),
    410: ("gone", "The requested revision is no longer supported."),
    413: ("payload_too_large", "Payload too large."),
    414: ("uri_too_long", "URI too long."),
    415: ("unsupported_media_type", "Unsupported media type."),
    429: ("throttled", "Request was throttled."),
}
SERVER_ERROR = ("server_error", "A server error occurred.")


def error(
    status: int,
    detail: str | None = None,
    *,
    pointer: str | None = None,
    parameter: str | None = None,
    code: str | None = None,
    meta: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One error object. `pointer` leads to a place in the body, `parameter` names a query parameter."""
    usual_code, title = CODES.get(status, SERVER_ERROR)
    source = {"parameter": parameter} if parameter is not None else {"pointer": pointer or "/data/"}
    return {
        "id": str(uuid.uuid4()),
        "status": status,
        "code": code or usual_code,
        "title": title,
        "detail": detail or title,
        "source": source,
        "links": {},
        "meta": meta or {},
    }


class Refusal(Exception):
    """The call is refused: one status, one or more errors, nothing done."""

    def __init__(self, status: int, errors: list[dict[str, Any]]) -> None:
        super().__init__(f"{status}: {errors[0]['detail']}")
        self.status = status
        self.errors = errors


def refusal(status: int, detail: str | None = None, **source: Any) -> Refusal:
    """A refusal with a single error."""
    return Refusal(status, [error(status, detail, **source)])


class Problems:
    """Collects what is wrong with a body, row by row, so that one answer names every bad row."""

    def __init__(self) -> None:
        self._errors: list[dict[str, Any]] = []

    def __bool__(self) -> bool:
        return bool(self._errors)

    def add(self, detail: str, pointer: str) -> None:
        self._errors.append(error(400, detail, pointer=pointer))

    @property
    def first(self) -> str | None:
        """What is wrong first, if anything is."""
        return str(self._errors[0]["detail"]) if self._errors else None

    def settle(self) -> None:
        """Refuse the call if anything was wrong."""
        if self._errors:
            raise Refusal(400, self._errors)

"""Dotdigital's error answers: one string in v2, a code in v3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """The call is refused and nothing is done. `body` None is an empty one."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


def v2(status: int, token: str, sentence: str = "Error:") -> Refusal:
    """`Error: ERROR_...`, or another sentence before the token."""
    return Refusal(status, {"message": f"{sentence} {token}".strip()})


def v3(status: int, code: str, description: str, *items: str) -> Refusal:
    """A code of the contacts service; `items` are the values that it is about."""
    body: dict[str, Any] = {"errorCode": f"contacts:{code}", "description": description}
    if items:
        body["details"] = [{"item": item, "description": description} for item in items]
    return Refusal(status, body)


def bad_request(description: str, *items: str) -> Refusal:
    return v3(400, "badRequest", description, *items)


LIST_NOT_FOUND = v2(404, "ERROR_ADDRESSBOOK_NOT_FOUND")
UNAUTHORIZED = Refusal(401, {"message": "Authorization has been denied for this request."})
FLAT_LIMIT = v2(
    400,
    "ERROR_APIUSAGE_EXCEEDED",
    "Your account has generated excess API activity and is being temporarily capped. Please contact support.",
)

"""Emarsys' envelope, and its refusals."""

from __future__ import annotations

from typing import Any

import orjson

from audience_assets.sandbox.emarsys.switches import EmarsysSwitches
from audience_assets.sandbox.messages import Response

GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>"

UNKNOWN, SEVERAL, NO_VALUE = "2008", "2010", "2005"


class Refusal(Exception):
    """The call is refused: a status, a code, nothing done."""

    def __init__(self, status: int, code: int | None, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.code = code
        self.text = text


def envelope(data: Any, *, rows: int | None = None) -> Response:
    """A success."""
    return Response(200, orjson.dumps({"replyCode": 0, "replyText": "OK", "data": data}), rows=rows)


def refused(refusal: Refusal, switches: EmarsysSwitches) -> Response:
    """A refusal as the switches word it."""
    body = orjson.dumps({"replyCode": refusal.code, "replyText": refusal.text, "data": ""})
    if refusal.status == 403 and switches.bare_forbidden:
        body = b""
    if refusal.status == 429 and switches.plain_throttle:
        body = refusal.text.encode()
    # Credentials, permissions and limits are the gateway's, which keeps to HTTP.
    told = refusal.status in (401, 403, 429) or not switches.always_200
    return Response(refusal.status if told else 200, body)


def failure(status: int) -> Response:
    """A server error: the application's own has an envelope, a gateway's has not."""
    if status == 500:
        return Response(500, orjson.dumps({"replyCode": 1, "replyText": "Internal error", "data": ""}))
    return Response(status, GATEWAY_PAGE)


def row_errors(errors: dict[str, dict[str, str]]) -> dict[str, dict[str, str]] | list[Any]:
    """Emarsys' PHP writes an empty map as an empty array."""
    return errors or []


def unknown(key: str, value: str, *, long: bool) -> dict[str, str]:
    text = f"No contact found with the external id: {key}"
    return {UNKNOWN: f"{text} - {value}" if long else text}


def several(key: str, value: str) -> dict[str, str]:
    return {SEVERAL: f"More contacts found with the external id: {key} - {value}"}


def no_value(key: str) -> dict[str, str]:
    return {NO_VALUE: f"No value provided for key field: {key}"}

"""Emarsys' envelope: `{"replyCode": 0, "replyText": "OK", "data": ...}`, whose code decides and not the HTTP status.

https://dev.emarsys.com/docs/core-api-reference: "Concepts", "HTTP 200 errors"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from audience_assets.destinations.base import Unavailable
from audience_assets.destinations.emarsys.endpoints import Code
from audience_assets.destinations.http import Answer
from audience_assets.destinations.wording import scrubbed

# Said by the gateway, before anybody has looked at the request.
_OF_THE_GATEWAY = frozenset({401, 403, 429, 502, 503, 504})
_INTERNAL = frozenset({Code.INTERNAL, Code.DATABASE})
# Emarsys also documents what is wrong with a list call with HTTP 500.
_OF_THE_REQUEST = frozenset(range(Code.NAME_MISSING, Code.NO_SUCH_LIST + 1))


@dataclass(frozen=True, slots=True)
class Reply:
    """An envelope. `text` is free of personal data; `code` is None in some refusals."""

    code: int | None
    text: str
    data: Any = None


def read(answer: Answer) -> Reply | None:
    """The envelope, whatever the content type says; None if there is none (a gateway's page, an empty 403)."""
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    if "replyCode" not in body:
        # The published description shows pages of ids bare; Emarsys' own client finds them in an envelope.
        return Reply(Code.OK, "", body) if "value" in body else None
    return Reply(number(body["replyCode"]), scrubbed(str(body.get("replyText") or "")), body.get("data"))


def status_of(answer: Answer) -> int:
    """What an answer means, as an HTTP status.

    A success without an envelope comes from somebody in between, and is as good as none.
    """
    reply = read(answer)
    if answer.status in _OF_THE_GATEWAY:
        return answer.status
    if reply is None or reply.code is None:
        return 502 if answer.status < 300 else answer.status
    if reply.code == Code.OK:
        return 200
    if reply.code == Code.THROTTLED:
        return 429
    if reply.code in _INTERNAL:
        return 500
    if reply.code in _OF_THE_REQUEST or answer.status < 300:
        return 400
    return answer.status


def is_page(answer: Answer) -> bool:
    """Whether it is a web page, whatever its content type: somebody else's answer."""
    return answer.content.lstrip()[:1] == b"<"


def data_of(answer: Answer) -> Any:
    """What a successful call returned."""
    reply = read(answer)
    if reply is None:
        raise Unavailable("The answer is no envelope of Emarsys.", status=answer.status)
    return reply.data


def as_map(value: Any) -> Mapping[str, Any]:
    """A map; Emarsys writes an empty one as `[]`."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> int | None:
    """Emarsys writes the same number as an integer here and as text there."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None

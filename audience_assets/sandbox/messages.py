"""A request and a response as vendors see them, free of sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass(slots=True)
class Request:
    """One call. `path` starts with a slash and lacks the vendor's prefix; header names are lower case.

    `base_url` is the address the caller used, prefix included: links in answers start with it. `applied` is
    False when a fault wants the answer of a success without its effect.
    """

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    id: str
    applied: bool = True

    def query(self) -> list[tuple[str, str]]:
        """Decoded parameters in the order sent; blank values are kept."""
        return parse_qsl(self.query_string, keep_blank_values=True)


@dataclass(slots=True)
class Response:
    """One answer. `rows` is how many rows were sent or returned, for the request log."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    account: str = ""
    rows: int | None = None

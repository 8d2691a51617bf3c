"""Emarsys' own API description, which lies beside the project and not in it."""

from __future__ import annotations

import warnings
from pathlib import Path
from urllib.parse import parse_qsl

import orjson
import pytest

from audience_assets.sandbox import LoggedRequest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what openapi-core's own dependencies say while they are imported
    import openapi_core
    from openapi_core.datatypes import RequestParameters
    from werkzeug.datastructures import Headers, ImmutableMultiDict


def load_description() -> openapi_core.OpenAPI:
    """The description from the sibling folder `shared`; skips the test where that is absent."""
    for folder in Path(__file__).resolve().parents:
        found = folder.parent / "shared" / "apis" / "emarsys.openapi.json"
        if found.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return openapi_core.OpenAPI.from_file_path(str(found))
    pytest.skip("shared/apis/emarsys.openapi.json is not beside the project")


class AsEmarsysSawIt:
    """A logged request in openapi-core's terms, at Emarsys' real host.

    The description is of v2; paths and bodies of v3 are the same.
    """

    def __init__(self, entry: LoggedRequest) -> None:
        self.host_url = "https://api.emarsys.net"
        self.path = entry.path.removeprefix("/emarsys").replace("/api/v3/", "/api/v2/")
        self.method = entry.method.lower()
        self.body = entry.body or None
        self.content_type = entry.headers.get("content-type", "")
        query = ImmutableMultiDict(parse_qsl(entry.query_string, keep_blank_values=True))
        headers = Headers({**entry.headers, "X-WSSE": "UsernameToken"})
        self.parameters = RequestParameters(query=query, header=headers)


class Answered:
    """A logged answer in openapi-core's terms."""

    def __init__(self, entry: LoggedRequest) -> None:
        self.status_code = entry.status
        self.content_type = "application/json"
        self.headers: dict[str, str] = {}
        self.data = entry.answer

    @property
    def envelope(self) -> dict[str, object]:
        found: dict[str, object] = orjson.loads(self.data or b"{}")
        return found

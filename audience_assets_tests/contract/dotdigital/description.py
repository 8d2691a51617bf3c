"""Dotdigital's own API description, which lies beside the project and not in it."""

from __future__ import annotations

import warnings
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from audience_assets.sandbox import LoggedRequest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what openapi-core's own dependencies say while they are imported
    import openapi_core
    from openapi_core.datatypes import RequestParameters
    from werkzeug.datastructures import Headers, ImmutableMultiDict

# The description is an extract: the list's feed is in the developer hub's pages only.
NOT_DESCRIBED = frozenset({"get_unsubscribed_from_list"})


def load_description() -> openapi_core.OpenAPI:
    """The description from the sibling folder `shared`; skips the test where that is absent."""
    for folder in Path(__file__).resolve().parents:
        found = folder.parent / "shared" / "apis" / "dotdigital.openapi.json"
        if found.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return openapi_core.OpenAPI.from_file_path(str(found))
    pytest.skip("shared/apis/dotdigital.openapi.json is not beside the project")


class AsDotdigitalSawIt:
    """A logged request in openapi-core's terms, at Dotdigital's real host."""

    def __init__(self, entry: LoggedRequest) -> None:
        self.host_url = "https://r1-api.dotdigital.com"
        self.path = entry.path
        self.method = entry.method.lower()
        self.body = entry.body or None
        self.content_type = entry.headers.get("content-type", "")
        headers = {**entry.headers, "authorization": "Basic eDp5"}
        query = ImmutableMultiDict(parse_qsl(entry.query_string, keep_blank_values=True))
        self.parameters = RequestParameters(query=query, header=Headers(headers))


class Answered:
    """A logged answer in openapi-core's terms."""

    def __init__(self, entry: LoggedRequest) -> None:
        self.status_code = entry.status
        self.content_type = "text/plain" if entry.endpoint == "get_server_time" else "application/json"
        self.headers: dict[str, str] = {}
        self.data = entry.answer or None


def request_errors(api: openapi_core.OpenAPI, request: AsDotdigitalSawIt) -> list[Exception]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(api.unmarshal_request(request).errors)


def answer_errors(api: openapi_core.OpenAPI, entry: LoggedRequest) -> list[Exception]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(api.unmarshal_response(AsDotdigitalSawIt(entry), Answered(entry)).errors)

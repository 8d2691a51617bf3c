"""Klaviyo's own API description, which lies beside the project and not in it."""

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


def load_description() -> openapi_core.OpenAPI:
    """The description from the sibling folder `shared`; skips the test where that is absent."""
    for folder in Path(__file__).resolve().parents:
        found = folder.parent / "shared" / "apis" / "klaviyo.openapi.json"
        if found.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return openapi_core.OpenAPI.from_file_path(str(found))
    pytest.skip("shared/apis/klaviyo.openapi.json is not beside the project")


class AsKlaviyoSawIt:
    """A logged request in openapi-core's terms, at Klaviyo's real host."""

    def __init__(self, entry: LoggedRequest) -> None:
        self.host_url = "https://a.klaviyo.com"
        self.path = entry.path
        self.method = entry.method.lower()
        self.body = entry.body or None
        self.content_type = entry.headers.get("content-type", "")
        headers = {**entry.headers, "authorization": "Klaviyo-API-Key pk_x"}
        query = ImmutableMultiDict(parse_qsl(entry.query_string, keep_blank_values=True))
        self.parameters = RequestParameters(query=query, header=Headers(headers))

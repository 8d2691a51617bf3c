"""Every operation that Klaviyo describes answers in the sandbox, in the form described."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from audience_assets.sandbox import LoggedRequest
from audience_assets_tests.contract.klaviyo.description import AsKlaviyoSawIt, load_description
from audience_assets_tests.sandbox.caller import (
    IMPORT,
    SUBSCRIBE,
    SUPPRESS,
    UNSUBSCRIBE,
    UNSUPPRESS,
    Caller,
    person,
    subscriber,
    unsubscriber,
)
from audience_assets_tests.sandbox.conftest import klaviyo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import openapi_core

__all__ = ["klaviyo"]

# Live answers hold null here although the description says text or number.
NULL_IN_PRACTICE = {"next", "prev", "latitude", "longitude"}


@pytest.fixture(scope="module")
def api() -> openapi_core.OpenAPI:
    return load_description()


class Answered:
    """A logged answer in openapi-core's terms, less the nulls that the description does not know."""

    def __init__(self, entry: LoggedRequest) -> None:
        self.status_code = entry.status
        self.content_type = "application/vnd.api+json"
        self.headers: dict[str, str] = {}
        self.data = orjson.dumps(without_nulls(orjson.loads(entry.answer))) if entry.answer else None


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not (v is None and k in NULL_IN_PRACTICE)}
        return {name: without_nulls(each) for name, each in kept.items()}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def call_everything(klaviyo: Caller) -> None:
    """Every operation, with people and jobs in every state."""
    body: dict[str, Any] = {"data": {"type": "list", "attributes": {"name": "VIP", "opt_in_process": "single_opt_in"}}}
    made = klaviyo.call("POST", "/api/lists", body).json()["data"]["id"]
    path = f"/api/lists/{made}"
    klaviyo.call("PATCH", path, {"data": {"type": "list", "id": made, "attributes": {"name": "VIPs"}}})
    klaviyo.get("/api/lists", filter='any(name,["VIPs"])', sort="-created", fields_list="name", include="tags")
    klaviyo.get(path, additional_fields_list="profile_count")

    phone = "+12025550101"
    klaviyo.account.import_failures["bad@example.com"] = "No."
    rows = [person(email="ann@example.com", phone_number=phone, first_name="Ann"), person(email="bad@example.com")]
    job = klaviyo.post_job(IMPORT, rows, made).json()["data"]["id"]
    jobs = f"/api/{IMPORT}s"
    klaviyo.get(jobs)
    klaviyo.wait()
    klaviyo.get(f"{jobs}/{job}", include="lists")
    for part in ("import-errors", "profiles", "relationships/profiles", "lists", "relationships/lists"):
        klaviyo.get(f"{jobs}/{job}/{part}")

    klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com", phone)], made, custom_source="x")
    dated = subscriber("eve@example.com", at="2025-11-03T09:15:00Z")
    klaviyo.post_job(SUBSCRIBE, [dated], made, historical_import=True)
    klaviyo.wait()
    klaviyo.post_job(UNSUBSCRIBE, [unsubscriber("ann@example.com", phone)], made)
    klaviyo.account.suppress("eve@example.com", "HARD_BOUNCE")
    for kind in (SUPPRESS, UNSUPPRESS):
        job = klaviyo.post_job(kind, [person(email="eve@example.com")]).json()["data"]["id"]
        klaviyo.get(f"/api/{kind}s/{job}")
        klaviyo.wait()
        klaviyo.get(f"/api/{kind}s", filter='equals(status,"complete")')

    everybody = klaviyo.get("/api/profiles", additional_fields_profile="subscriptions,predictive_analytics")["data"]
    references = {"data": [{"type": "profile", "id": each["id"]} for each in everybody]}
    for method in ("POST", "DELETE"):
        klaviyo.call(method, f"{path}/relationships/profiles", references)
        klaviyo.get(f"{path}/profiles", additional_fields_profile="subscriptions")
        klaviyo.get(f"{path}/relationships/profiles")
    klaviyo.call("DELETE", path)


@pytest.fixture
def entries(klaviyo: Caller) -> Iterator[list[LoggedRequest]]:
    call_everything(klaviyo)
    yield list(klaviyo.sandbox.requests)


def test_every_answer_has_the_described_form(entries: list[LoggedRequest], api: openapi_core.OpenAPI) -> None:
    for entry in entries:
        assert entry.status < 300, (entry.endpoint, entry.answer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sent = api.unmarshal_request(AsKlaviyoSawIt(entry))
            answered = api.unmarshal_response(AsKlaviyoSawIt(entry), Answered(entry))
        assert not sent.errors, (entry.endpoint, sent.errors)
        assert not answered.errors, (entry.endpoint, answered.errors, [e.__cause__ for e in answered.errors])


def test_every_described_operation_was_called(entries: list[LoggedRequest], api: openapi_core.OpenAPI) -> None:
    described = {
        operation["operationId"]
        for path in api.spec.read_value()["paths"].values()
        for method, operation in path.items()
        if method in ("get", "post", "patch", "delete")
    }
    assert len(described) == 26
    assert {entry.endpoint for entry in entries} == described


def test_errors_have_the_described_form(klaviyo: Caller, api: openapi_core.OpenAPI) -> None:
    klaviyo.call("GET", "/api/lists/none")
    klaviyo.call("POST", "/api/lists", {"data": {"type": "list", "attributes": {}}})
    klaviyo.call("GET", "/api/lists", filter="nonsense")
    for entry in klaviyo.sandbox.requests:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answered = api.unmarshal_response(AsKlaviyoSawIt(entry), Answered(entry))
        assert not answered.errors, (entry.answer, answered.errors)


def test_a_wrong_answer_would_be_noticed(entries: list[LoggedRequest], api: openapi_core.OpenAPI) -> None:
    entry = next(entry for entry in entries if entry.endpoint == "get_lists")
    document = json.loads(entry.answer or b"")
    document["data"][0]["type"] = "segment"
    entry.answer = orjson.dumps(document)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert api.unmarshal_response(AsKlaviyoSawIt(entry), Answered(entry)).errors

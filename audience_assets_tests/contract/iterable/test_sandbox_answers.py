"""Every operation that Iterable describes answers in the sandbox, in the form described."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from audience_assets.sandbox import LoggedRequest
from audience_assets_tests.contract.iterable.description import Description, load_description
from audience_assets_tests.sandbox.iterable_caller import (
    ANN,
    BOB,
    BULK_UPDATE,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Caller,
    iterable,
)

__all__ = ["iterable"]

# Described as an error dialect of their own, or answered as plain text.
REFUSED = {"get_users_forgottenUserIds"}


@pytest.fixture(scope="module")
def api() -> Description:
    return load_description()


def call_everything(caller: Caller) -> None:
    """Every operation, with failures of each kind among the rows."""
    caller.switches.subscriptions_enabled = True
    made = caller.make_list()
    caller.post("/api/lists", {"name": "Described", "description": "d"})
    caller.get("/api/lists")
    caller.project.forget("gone@example.com")
    caller.project.refused_data.add("bad@example.com")
    emails = (ANN, BOB, "foo@", "gone@example.com", "bad@example.com")
    rows: list[dict[str, Any]] = [{"email": each, "dataFields": {"plan": "pro"}} for each in emails]
    rows += [{"userId": "u-1"}, {"userId": "u-2", "preferUserId": True}]
    caller.subscribe(made, *rows)
    caller.post(BULK_UPDATE, {"users": rows, "createNewFields": False})
    caller.wait()
    for path in ("getUsers", "previewUsers"):
        caller.call("GET", f"/api/lists/{path}", listId=made)
    caller.get(f"/api/lists/{made}/size")
    caller.get("/api/users/getFields")
    caller.get("/api/users/getByEmail", email=ANN)
    caller.get(f"/api/users/{ANN}")
    caller.get("/api/users/getByEmail", email="nobody@example.com")
    caller.get("/api/users/byUserId", userId="u-2")
    caller.get("/api/users/byUserId/u-2")
    caller.post("/api/users/update", {"email": ANN, "dataFields": {"plan": "max"}})
    caller.post("/api/users/updateSubscriptions", {"email": ANN, "unsubscribedChannelIds": [6539]})
    caller.post(
        "/api/users/bulkUpdateSubscriptions",
        {"updateSubscriptionsRequests": [{"email": ANN, "emailListIds": [made]}, {"email": "foo@"}]},
    )
    group = f"/api/subscriptions/messageChannel/{6539}"
    caller.call("PUT", group, {"users": [ANN], "usersByUserId": ["u-2"]}, action="subscribe")
    for method in ("PATCH", "DELETE"):
        caller.call(method, f"{group}/user/{ANN}")
        caller.call(method, f"{group}/byUserId/u-2")
    double = {"userId": "u-2", "email": ANN, "subscriptionGroupId": 1, "subscriptionGroup": "messageType"}
    caller.call("POST", "/api/subscriptions/subscribeToDoubleOptIn", double)
    caller.post(UNSUBSCRIBE, {"listId": made, "subscribers": [{"email": ANN}], "channelUnsubscribe": False})
    caller.post("/api/users/updateEmail", {"currentEmail": BOB, "newEmail": "rob@example.com"})
    caller.wait()
    caller.post("/api/users/merge", {"sourceEmail": "rob@example.com", "destinationEmail": ANN})
    for name in ("forget", "unforget"):
        caller.post(f"/api/users/{name}", {"email": "eve@example.com"})
    for path in ("users/forgotten", "users/forgottenUserIds", "channels", "messageTypes"):
        caller.call("GET", f"/api/{path}")
    caller.call("DELETE", f"/api/users/{ANN}")
    caller.call("DELETE", "/api/users/byUserId/u-2")
    caller.call("DELETE", f"/api/lists/{made}")


@pytest.fixture
def entries(iterable: Caller) -> list[LoggedRequest]:
    call_everything(iterable)
    return list(iterable.sandbox.requests)


def test_every_answer_has_the_described_form(entries: list[LoggedRequest], api: Description) -> None:
    for entry in entries:
        expected = {400} if entry.endpoint in REFUSED else {200, 202}
        assert entry.status in expected, (entry.endpoint, entry.answer)
        assert api.answer_problems(entry) == [], (entry.endpoint, entry.answer)


def test_every_described_operation_was_called(entries: list[LoggedRequest], api: Description) -> None:
    described = {operation["operationId"] for operation in api.operations.values()}
    assert len(described) == 33
    assert {entry.endpoint for entry in entries} == described


def test_what_we_send_for_that_is_described_too(entries: list[LoggedRequest], api: Description) -> None:
    bulk = [entry for entry in entries if entry.path in (SUBSCRIBE, UNSUBSCRIBE, BULK_UPDATE)]
    assert len(bulk) == 3
    assert [api.request_problems(entry) for entry in bulk] == [[], [], []]


def test_a_wrong_answer_would_be_noticed(entries: list[LoggedRequest], api: Description) -> None:
    found = next(entry for entry in entries if entry.endpoint == "get_lists")
    document = orjson.loads(found.answer or b"")
    document["lists"][0]["listType"] = "Segment"
    document["lists"][0]["size"] = 3
    found.answer = orjson.dumps(document)
    assert len(api.answer_problems(found)) == 2

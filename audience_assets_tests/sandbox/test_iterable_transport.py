"""Iterable's twin: keys, routes, error forms, limits, sizes and the sandbox's own commands."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from audience_assets_tests.sandbox.iterable_caller import (
    ANN,
    BULK_UPDATE,
    KEY,
    SUBSCRIBE,
    Caller,
    error,
    iterable,
    limited,
)

__all__ = ["iterable", "limited"]


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_key_is_needed(iterable: Caller, key: str | None) -> None:
    code, msg, params = error(iterable.call("GET", "/api/lists", headers={"Api-Key": key}), 401)
    assert (code, msg, params["endpoint"]) == ("BadApiKey", "Invalid API key", "/api/lists")


def test_the_older_header_name_is_taken(iterable: Caller) -> None:
    assert iterable.call("GET", "/api/lists", headers={"Api-Key": None, "Api_Key": KEY}).status_code == 200


def test_a_read_only_key_is_401_and_not_403(iterable: Caller) -> None:
    iterable.sandbox.iterable.project("demo", key="reader", writes=False)
    reader = {"Api-Key": "reader"}
    assert iterable.call("GET", "/api/lists", headers=reader).status_code == 200
    code, msg, params = error(iterable.call("POST", "/api/lists", {"name": "x"}, headers=reader), 401)
    assert (code, msg) == ("BadApiKey", "Disabled API key or insufficient privileges")
    assert params["apiKeyType"] == "ServerSide"


def test_an_unknown_route_is_html(iterable: Caller) -> None:
    answer = iterable.call("DELETE", "/api/lists/")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Action not found" in answer.text


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", None),
        ([], "obj"),
        ({"subscribers": []}, "obj.listId"),
        ({"listId": "1", "subscribers": []}, "obj.listId"),
        ({"listId": True, "subscribers": []}, "obj.listId"),
        ({"listId": 1}, "obj.subscribers"),
        ({"listId": 1, "subscribers": [{"email": ANN}, {"email": 3}]}, "obj.subscribers[1].email"),
        ({"listId": 1, "subscribers": [{"email": ANN, "preferUserId": "no"}]}, "obj.subscribers[0].preferUserId"),
        ({"listId": 1, "subscribers": ["x"]}, "obj.subscribers[0]"),
    ],
)
def test_a_malformed_element_fails_the_whole_request(iterable: Caller, body: Any, path: str | None) -> None:
    made = iterable.make_list()
    if isinstance(body, dict) and body.get("listId") == 1 and body.get("listId") is not True:
        body = {**body, "listId": made}
    code, msg, params = error(iterable.call("POST", SUBSCRIBE, body), 400)
    assert (code, msg) == ("BadJsonBody", f"[{SUBSCRIBE}] Invalid JSON body")
    assert list(params) == ([path] if path else [])
    iterable.wait()
    assert iterable.members(made) == []


def test_a_body_over_4_mib_and_a_batch_over_the_limit_are_refused(iterable: Caller) -> None:
    rows = [{"email": f"p{n}@example.com", "dataFields": {"note": "x" * 4_000}} for n in range(1_100)]
    assert error(iterable.call("POST", BULK_UPDATE, {"users": rows}), 413)[0] == "BadParams"
    iterable.switches.max_rows = 10
    assert error(iterable.call("POST", BULK_UPDATE, {"users": rows[:11]}), 400)[0] == "BatchTooLarge"
    assert iterable.call("POST", BULK_UPDATE, {"users": rows[:10]}).status_code == 200


@pytest.mark.parametrize(
    ("path", "calls", "seconds", "period"),
    [
        ("/api/lists/getUsers", 5, 60, "minute"),
        ("/api/users/getFields", 3, 1, "second"),
        ("/api/users/getByEmail", 100, 1, "second"),
    ],
)
def test_limits_are_per_project_and_endpoint(limited: Caller, path: str, calls: int, seconds: int, period: str) -> None:
    query: dict[str, Any] = {"listId": limited.make_list(), "email": ANN}
    statuses = [limited.call("GET", path, **query).status_code for _ in range(calls + 1)]
    assert statuses == [200] * calls + [429]
    refused = limited.call("GET", path, **query)
    code, msg, params = error(refused, 429)
    assert (code, params) == ("RateLimitExceeded", {})
    assert f"rate limit of {calls:.1f} per {period} for endpoint: {path}" in msg
    assert "Retry-After" not in refused.headers
    assert limited.call("GET", "/api/lists").status_code == 200
    other = limited.of_type("hybrid")
    assert other.call("GET", "/api/users/getFields").status_code == 200
    limited.wait(seconds)
    assert limited.call("GET", path, **query).status_code == 200


@pytest.mark.parametrize("together", [False, True])
def test_the_list_reads_may_share_a_limit(limited: Caller, together: bool) -> None:
    limited.switches.reads_share_limit = together
    made = limited.make_list()
    for _ in range(5):
        limited.call("GET", "/api/lists/getUsers", listId=made)
    assert limited.call("GET", f"/api/lists/{made}/size").status_code == (429 if together else 200)


@pytest.mark.parametrize("most", [None, 2])
def test_membership_writes_have_an_unpublished_limit(limited: Caller, most: int | None) -> None:
    limited.switches.list_calls_per_second = most
    made = limited.make_list()
    body = {"listId": made, "subscribers": []}
    statuses = [limited.call("POST", SUBSCRIBE, body).status_code for _ in range(10)]
    assert statuses == ([200] * 10 if most is None else [200] * 2 + [429] * 8)


def test_a_429_may_say_when_to_come_back(limited: Caller) -> None:
    limited.switches.send_retry_after, limited.switches.tell_limit = True, False
    answers = [limited.call("GET", "/api/users/getFields") for _ in range(4)]
    assert answers[3].headers["Retry-After"] == "1"
    assert "rate limit of" not in answers[3].json()["msg"]


def test_commands_and_pages(iterable: Caller) -> None:
    def command(name: str, /, **arguments: Any) -> Any:
        answer = requests.post(f"{iterable.sandbox.url}/_sandbox/iterable/{name}", json=arguments, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert command("project", project="shop", key="k", project_type="hybrid")["type"] == "hybrid"
    made = command("create-list", name="VIP")["id"]
    command("seed", users=[{"email": ANN, "userId": "u-1", "dataFields": {"plan": "pro"}, "lists": [made]}])
    assert command("members", list=made) == [{"email": ANN, "userId": "u-1"}]
    assert command("data", identifier="u-1") == {"plan": "pro"}
    command("opt-out", identifier=ANN)
    assert command("switches", apply_delay=0)["apply_delay"] == 0
    command("forget", identifier=ANN)
    assert command("state")["users"] == 0
    command("seed", users=[{"email": "p@example.com", "lists": [made]}])
    for path in ("", "/_sandbox/view/iterable/demo/users", f"/_sandbox/view/iterable/demo/lists/{made}"):
        page = requests.get(f"{iterable.sandbox.url}{path or '/'}", timeout=10)
        assert page.status_code == 200
        assert ("p@example.com" in page.text) == bool(path)
    assert "plan" in requests.get(f"{iterable.sandbox.url}/_sandbox/view/iterable/demo/fields", timeout=10).text
    command("delete", identifier="p@example.com")
    command("finish")
    assert command("state")["users"] == 0

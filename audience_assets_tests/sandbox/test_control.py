"""The page, the request log, and commands over HTTP."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets_tests.sandbox.caller import KEY, SUBSCRIBE, Caller, subscriber
from audience_assets_tests.sandbox_fixtures import klaviyo_sandbox

__all__ = ["klaviyo_sandbox"]


def command(klaviyo: Caller, name: str, /, **arguments: Any) -> Any:
    answer = requests.post(f"{klaviyo.sandbox.url}/_sandbox/{name}", json=arguments, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_another_process_can_tell_the_whole_story(klaviyo: Caller) -> None:
    command(klaviyo, "klaviyo/account", account="shop", key="pk_shop", settings={"sms_regions": ["FR"]})
    target = command(klaviyo, "klaviyo/create-list", account="shop", name="VIP", opt_in_process="double_opt_in")["id"]
    row = {"email": "ann@example.com", "lists": [target], "consents": {"email": "SUBSCRIBED"}}
    assert command(klaviyo, "klaviyo/seed", account="shop", profiles=[row]) == {"created": 1}
    at = "2026-07-01T00:00:00+00:00"
    command(klaviyo, "klaviyo/opt-out", account="shop", address="ann@example.com", channel="email", at=at)
    consent = command(klaviyo, "klaviyo/consent", account="shop", address="ann@example.com", channel="email")
    assert (consent["status"], consent["suppressions"]) == ("UNSUBSCRIBED", ["UNSUBSCRIBE"])

    shop = {"Authorization": "Klaviyo-API-Key pk_shop"}
    body = {
        "data": {
            "type": SUBSCRIBE,
            "attributes": {"profiles": {"data": [subscriber("bob@example.com")]}},
            "relationships": {"list": {"data": {"type": "list", "id": target}}},
        }
    }
    assert klaviyo.call("POST", f"/api/{SUBSCRIBE}s", body, headers=shop).status_code == 202
    before = command(klaviyo, "clock", advance=0)["now"]
    assert command(klaviyo, "clock", advance=5)["now"] == before + 5
    assert command(klaviyo, "klaviyo/confirm", account="shop", address="bob@example.com") == {"confirmed": 1}
    emails = {each["email"] for each in command(klaviyo, "klaviyo/members", account="shop", list=target)}
    assert emails == {"ann@example.com", "bob@example.com"}
    audit = command(klaviyo, "klaviyo/audit", account="shop")
    assert [change["origin"] for change in audit] == ["seed", "person", "confirmation"]
    state = command(klaviyo, "klaviyo/state", account="shop")
    assert (state["profiles"], state["lists"][0]["members"], state["pending"]) == (2, 2, 0)


def test_switches_and_merges_over_http(klaviyo: Caller) -> None:
    assert command(klaviyo, "klaviyo/switches", consent_delay=60)["consent_delay"] == 60
    assert klaviyo.switches.consent_delay == 60
    command(klaviyo, "klaviyo/seed", profiles=[{"email": "a@x.io"}, {"email": "b@x.io", "external_id": "c-1"}])
    command(klaviyo, "klaviyo/suppress", address="a@x.io", reason="HARD_BOUNCE")
    assert klaviyo.consent("a@x.io").suppressions == ("HARD_BOUNCE",)
    command(klaviyo, "klaviyo/merge", address="b@x.io", into="a@x.io")
    kept = klaviyo.account.find("c-1")
    assert kept is not None
    assert kept.email == "a@x.io"
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    klaviyo.post_job(SUBSCRIBE, [subscriber("a@x.io")], target.id)
    command(klaviyo, "klaviyo/finish-jobs")
    assert klaviyo.emails(target.id) == {"a@x.io"}
    command(klaviyo, "klaviyo/opt-out", address="a@x.io")
    command(klaviyo, "klaviyo/opt-in", address="a@x.io")
    assert klaviyo.consent("a@x.io").status == "SUBSCRIBED"


def test_faults_over_http(klaviyo: Caller) -> None:
    added = command(klaviyo, "faults", action="error_before", endpoint="get_*", calls=[1], status=500)
    assert added["hits"] == 0
    assert [klaviyo.call("GET", "/api/lists").status_code for _ in range(2)] == [500, 200]
    address = f"{klaviyo.sandbox.url}/_sandbox/faults"
    assert requests.get(address, timeout=10).json()[0]["hits"] == 1
    assert requests.delete(address, timeout=10).status_code == 200
    assert klaviyo.sandbox.faults.rules() == []


@pytest.mark.parametrize(
    ("name", "arguments", "status"),
    [
        ("nothing", {}, 404),
        ("klaviyo/nothing", {}, 404),
        ("klaviyo/state", {"account": "nobody"}, 404),
        ("klaviyo/switches", {"colour": 1}, 404),
        ("klaviyo/opt-out", {"address": "nobody@example.com"}, 404),
        ("faults", {"action": "explode"}, 400),
        ("faults", {"action": "error_before", "colour": 1}, 400),
        ("faults", {"action": "hook_before"}, 400),
        ("clock", {"advance": -1}, 400),
        ("klaviyo/create-list", {"colour": 1}, 400),
    ],
)
def test_wrong_commands_say_why(klaviyo: Caller, name: str, arguments: dict[str, Any], status: int) -> None:
    answer = requests.post(f"{klaviyo.sandbox.url}/_sandbox/{name}", json=arguments, timeout=10)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_real_clock_is_not_moved(klaviyo_sandbox: Sandbox) -> None:
    answer = requests.post(f"{klaviyo_sandbox.url}/_sandbox/clock", json={"advance": 1}, timeout=10)
    assert answer.status_code == 400


def test_the_log_holds_calls_without_secrets(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com"}])
    klaviyo.call("GET", "/api/profiles", filter='any(email,["ann@example.com"])')
    klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com"), subscriber("bob@example.com")])
    lookup, write = klaviyo.sandbox.requests
    assert (lookup.endpoint, lookup.status, lookup.rows, lookup.account) == ("get_profiles", 200, 1, "demo")
    assert (write.method, write.status, write.rows) == ("POST", 202, 2)
    assert b"bob@example.com" in (write.body or b"")
    assert "authorization" not in write.headers
    assert write.headers["revision"] == "2026-07-15"
    read = requests.get(f"{klaviyo.sandbox.url}/_sandbox/requests", params={"count": 1}, timeout=10)
    assert [each["endpoint"] for each in read.json()] == ["bulk_subscribe_profiles"]
    assert KEY not in read.text
    assert klaviyo.sandbox.requests.counts()["get_profiles", 200] == 1
    requests.delete(f"{klaviyo.sandbox.url}/_sandbox/requests", timeout=10)
    assert list(klaviyo.sandbox.requests) == []


def test_old_bodies_are_forgotten(klaviyo: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audience_assets.sandbox.log.KEPT_BYTES", 1000)
    for number in range(5):
        klaviyo.call("POST", "/api/lists", {"data": {"type": "list", "attributes": {"name": str(number)}}})
    bodies = [entry.body for entry in klaviyo.sandbox.requests]
    assert bodies[0] is None
    assert bodies[-1] is not None


def test_the_page_shows_lists_members_consent_and_calls(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP <b>")
    klaviyo.account.add_profiles({"email": f"user{n:03}@example.com", "lists": [target.id]} for n in range(120))
    klaviyo.account.opt_out("user000@example.com")
    klaviyo.call("GET", "/api/lists")
    klaviyo.call("GET", "/api/segments")
    page = requests.get(klaviyo.sandbox.url, timeout=10)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for text in ("VIP &lt;b&gt;", "120", "user000@example.com", "get_lists", "GET /api/segments", "UNSUBSCRIBED"):
        assert text in page.text
    assert "VIP <b>" not in page.text
    assert "<script" not in page.text

    address = f"{klaviyo.sandbox.url}/_sandbox/view/klaviyo/demo/lists/{target.id}"
    first, last = requests.get(address, timeout=10).text, requests.get(f"{address}?page=2", timeout=10).text
    assert "user000@example.com" in first
    assert "user119@example.com" not in first
    assert "user119@example.com" in last
    assert "?page=1" in first
    assert "?page=3" not in last
    people = requests.get(f"{klaviyo.sandbox.url}/_sandbox/view/klaviyo/demo/profiles", timeout=10)
    assert "120 profiles" in people.text


@pytest.mark.parametrize("path", ["", "nobody", "klaviyo/demo/lists/none", "klaviyo/nobody/profiles"])
def test_there_is_no_such_view(klaviyo: Caller, path: str) -> None:
    assert requests.get(f"{klaviyo.sandbox.url}/_sandbox/view/{path}", timeout=10).status_code == 404


def test_the_fixture_for_other_tests(klaviyo_sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Klaviyo-API-Key {KEY}", "revision": "2026-07-15"}
    answer = requests.get(klaviyo_sandbox.url + "/api/lists", headers=headers, timeout=10)
    assert answer.status_code == 200
    with pytest.raises(AttributeError, match="no vendor 'iterable'"):
        _ = klaviyo_sandbox.iterable
    assert isinstance(klaviyo_sandbox.klaviyo, KlaviyoSandbox)


def test_nothing_is_left_when_it_stops() -> None:
    before = set(threading.enumerate())
    with Sandbox([KlaviyoSandbox()]) as sandbox, requests.Session() as session:
        assert session.get(sandbox.url, timeout=10).status_code == 200
        address = sandbox.url
    assert set(threading.enumerate()) == before
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=2)

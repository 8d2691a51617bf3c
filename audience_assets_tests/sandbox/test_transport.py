"""Credentials, revisions, media types and headers, before any operation is reached."""

from __future__ import annotations

import pytest
import requests

from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets_tests.sandbox.caller import IMPORT, Caller, errors, parameter, person


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "not_authenticated"),
        ("Klaviyo-API-Key pk_wrong", "authentication_failed"),
        ("Basic cGs6", "authentication_failed"),
    ],
)
def test_credentials_are_checked_first(klaviyo: Caller, authorization: str | None, code: str) -> None:
    answer = klaviyo.call("GET", "/api/lists", headers={"Authorization": authorization, "revision": None})
    assert errors(answer, 401)[0]["code"] == code
    assert answer.headers["content-type"] == "application/vnd.api+json"


def test_a_key_without_the_scope_may_not(klaviyo: Caller) -> None:
    vendor: KlaviyoSandbox = klaviyo.sandbox.klaviyo
    vendor.account("demo", key="pk_reader", scopes=["lists:read"])
    reader = {"Authorization": "Klaviyo-API-Key pk_reader"}
    assert klaviyo.call("GET", "/api/lists", headers=reader).status_code == 200
    body = {"data": {"type": "list", "attributes": {"name": "VIP"}}}
    refused = errors(klaviyo.call("POST", "/api/lists", body, headers=reader), 403)[0]
    assert refused["code"] == "permission_denied"
    assert "lists:write" in refused["detail"]


@pytest.mark.parametrize(
    ("asked", "applied"),
    [
        ("2026-10-15", "2026-10-15"),
        ("2026-07-15", "2026-07-15"),
        ("2024-10-15", "2025-01-15"),  # retired
        ("2026-05-01", "2026-07-15"),  # never was one
        ("2031-01-01", "2026-10-15"),
    ],
)
def test_a_revision_out_of_service_falls_forward(klaviyo: Caller, asked: str, applied: str) -> None:
    answer = klaviyo.call("GET", "/api/lists", headers={"revision": asked})
    assert answer.status_code == 200
    assert answer.headers["x-klaviyo-api-revision"] == applied


def test_falling_forward_can_be_declined(klaviyo: Caller) -> None:
    declined = {"X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}
    old = klaviyo.call("GET", "/api/lists", headers={"revision": "2024-10-15", **declined})
    errors(old, 410)
    assert klaviyo.call("GET", "/api/lists", headers=declined).status_code == 200


@pytest.mark.parametrize("revision", [None, "latest"])
def test_a_revision_is_required(klaviyo: Caller, revision: str | None) -> None:
    assert parameter(klaviyo.call("GET", "/api/lists", headers={"revision": revision})) == "revision"


def test_answers_carry_klaviyos_headers(klaviyo: Caller) -> None:
    answer = klaviyo.call("GET", "/api/lists")
    assert answer.headers["content-type"] == "application/vnd.api+json"
    assert answer.headers["ratelimit-limit"] == "75, 75;w=1, 750;w=60"
    assert answer.headers["allow"] == "GET, POST, HEAD, OPTIONS"
    assert answer.headers["cid"] == klaviyo.account.id == klaviyo.get("/api/accounts")["data"][0]["id"]
    other = klaviyo.call("GET", "/api/lists")
    assert answer.headers["x-klaviyo-req-id"] != other.headers["x-klaviyo-req-id"]


def test_paths_may_end_in_a_slash_and_start_with_the_vendor(klaviyo: Caller) -> None:
    made = klaviyo.account.create_list("VIP")
    assert klaviyo.get("/api/lists/")["data"][0]["id"] == made.id
    through_prefix = klaviyo.get(f"{klaviyo.sandbox.url_of('klaviyo')}/api/lists/{made.id}/")
    assert through_prefix["data"]["links"]["self"] == f"{klaviyo.sandbox.url}/klaviyo/api/lists/{made.id}/"


def test_unknown_paths_and_methods(klaviyo: Caller) -> None:
    errors(klaviyo.call("GET", "/api/segments"), 404)
    answer = klaviyo.call("PUT", "/api/lists", {})
    errors(answer, 405)
    assert answer.headers["allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("media_type", ["application/vnd.api+json", "application/json; charset=utf-8"])
def test_json_is_accepted_under_both_names(klaviyo: Caller, media_type: str) -> None:
    body = {"data": {"type": "list", "attributes": {"name": "VIP"}}}
    answer = klaviyo.call("POST", "/api/lists", body, headers={"Content-Type": media_type})
    assert answer.status_code == 201


def test_other_media_types_are_refused(klaviyo: Caller) -> None:
    errors(klaviyo.call("POST", "/api/lists", b"name=VIP", headers={"Content-Type": "text/plain"}), 415)


def test_what_is_not_json_is_refused(klaviyo: Caller) -> None:
    assert errors(klaviyo.call("POST", "/api/lists", b"{"))[0]["source"]["pointer"] == "/data"


def test_a_body_may_be_too_large(klaviyo: Caller) -> None:
    rows = [person(email=f"user{n}@example.com", properties={"text": "x" * 1000}) for n in range(5200)]
    errors(klaviyo.post_job(IMPORT, rows), 413)


def test_an_address_may_be_too_long(klaviyo: Caller) -> None:
    emails = ",".join(f'"user{number:06}@example.com"' for number in range(300))
    errors(klaviyo.call("GET", "/api/profiles", filter=f"any(email,[{emails}])"), 414)


def test_unknown_parameters_are_refused_unless_switched(klaviyo: Caller) -> None:
    assert parameter(klaviyo.call("GET", "/api/lists", colour="blue")) == "colour"
    assert parameter(klaviyo.call("GET", "/api/lists", page_number="2")) == "page[number]"
    klaviyo.switches.refuse_unknown_parameters = False
    assert klaviyo.call("GET", "/api/lists", colour="blue").status_code == 200


def test_one_connection_serves_many_calls(klaviyo: Caller) -> None:
    for _ in range(5):
        assert klaviyo.call("GET", "/api/lists").status_code == 200
        assert klaviyo.call("POST", "/api/lists", b"{").status_code == 400
    pools = [adapter.poolmanager for adapter in klaviyo.session.adapters.values()]  # type: ignore[attr-defined]
    opened = sum(pool.pools[key].num_connections for pool in pools for key in pool.pools.keys())  # noqa: SIM118
    assert opened == 1


def test_a_chunked_body_is_refused(klaviyo: Caller) -> None:
    answer = requests.post(klaviyo.sandbox.url + "/api/lists", data=iter([b"{}"]), timeout=10)
    assert answer.status_code == 411


def test_the_account_of_a_key(klaviyo: Caller) -> None:
    found = klaviyo.get("/api/accounts")["data"][0]
    assert klaviyo.get(f"/api/accounts/{found['id']}")["data"] == found
    errors(klaviyo.call("GET", "/api/accounts/nobody"), 404)

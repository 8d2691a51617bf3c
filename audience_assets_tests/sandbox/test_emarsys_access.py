"""The Emarsys twin before any operation is reached: tokens, signatures, permissions, limits, paths, bodies."""

from __future__ import annotations

import pytest

from audience_assets.sandbox.emarsys import ALL_PERMISSIONS
from audience_assets_tests.sandbox.emarsys_caller import CLIENT, EmarsysCaller, emarsys, emarsys_caller, refusal

__all__ = ["emarsys"]


def test_a_token_by_client_credentials(emarsys: EmarsysCaller) -> None:
    answer = emarsys.token()
    assert answer.status_code == 200
    assert {**answer.json(), "access_token": ""} == {"access_token": "", "token_type": "Bearer", "expires_in": 3600}
    wrong = emarsys.token(("client", "wrong"))
    assert (wrong.status_code, wrong.json()) == (401, {"error": "invalid_client"})
    assert emarsys.token(grant_type="password").status_code == 400
    in_form = {"client_id": CLIENT[0], "client_secret": CLIENT[1], "grant_type": "client_credentials"}
    assert emarsys.session.post(f"{emarsys.url}/oauth2/token", data=in_form, timeout=10).status_code == 401
    assert emarsys.session.post(f"{emarsys.url}/oauth2/token/", auth=CLIENT, timeout=10).status_code == 404


def test_a_token_ends(emarsys: EmarsysCaller) -> None:
    emarsys.clock.advance(3599)
    assert emarsys.call("GET", "/contactlist").status_code == 200
    emarsys.clock.advance(1)
    assert refusal(emarsys.call("GET", "/contactlist")) == (401, 1)


@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Basic Y2xpZW50Omh1c2g="])
def test_v3_takes_bearer_tokens_alone(emarsys: EmarsysCaller, authorization: str) -> None:
    headers = {"Authorization": authorization, **emarsys.wsse()}
    assert refusal(emarsys.call("GET", "/contactlist", headers=headers)) == (401, 1)


def test_v2_takes_signatures_alone(emarsys: EmarsysCaller) -> None:
    assert refusal(emarsys.call("GET", "/contactlist", version="v2")) == (401, 1)
    for signature in (emarsys.wsse(), emarsys.wsse(created="2026-07-15T09:00:00+0000")):
        assert emarsys.call("GET", "/contactlist", version="v2", headers=signature).status_code == 200
    # Nonces may be used again.
    assert emarsys.call("GET", "/contactlist", version="v2", headers=emarsys.wsse()).status_code == 200


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_is_of_this_time(emarsys: EmarsysCaller, seconds: float) -> None:
    late = emarsys.wsse(at=emarsys.clock.now() + seconds)
    answer = emarsys.call("GET", "/contactlist", version="v2", headers=late)
    assert refusal(answer) == (401, 1)
    assert "Time frame is invalid" in answer.json()["replyText"]
    near = emarsys.wsse(at=emarsys.clock.now() + seconds * 0.99)
    assert emarsys.call("GET", "/contactlist", version="v2", headers=near).status_code == 200


@pytest.mark.parametrize("broken", [{"secret": "wrong"}, {"created": "yesterday"}, {"created": "2026-07-15T09:00:00"}])
def test_a_broken_signature(emarsys: EmarsysCaller, broken: dict[str, str]) -> None:
    answer = emarsys.call("GET", "/contactlist", version="v2", headers=emarsys.wsse(**broken))  # type: ignore[arg-type]
    assert refusal(answer) == (401, 1)


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("contactlist.list", "GET", "/contactlist"),
        ("contactlist.create", "POST", "/contactlist"),
        ("contactlist.rename", "POST", "/contactlist/330/rename"),
        ("contactlist.delete", "POST", "/contactlist/330/deletelist"),
        ("contactlist.replace", "POST", "/contactlist/330/replace"),
        ("contactlist.contact.add", "POST", "/contactlist/330/add"),
        ("contactlist.contact.delete", "POST", "/contactlist/330/delete"),
        ("contactlist.contact.count", "GET", "/contactlist/330/count"),
        ("contactlist.contact.ids", "GET", "/contactlist/330/contactIds"),
        ("contact.contactid.verify", "POST", "/contact/checkids"),
        ("contact.getdata", "POST", "/contact/getdata"),
        ("contact.list", "GET", "/contact/query/"),
        ("field.list", "GET", "/field/translate/en"),
        ("field.get", "GET", "/field"),
    ],
)
def test_each_call_has_its_permission(emarsys: EmarsysCaller, permission: str, method: str, path: str) -> None:
    emarsys.sandbox.emarsys.credentials.find("client").permissions = ALL_PERMISSIONS - {permission}
    assert refusal(emarsys.call(method, path, {})) == (403, None)
    emarsys.switches.bare_forbidden = True
    assert emarsys.call(method, path, {}).content == b""
    emarsys.sandbox.emarsys.credentials.find("client").permissions = ALL_PERMISSIONS
    assert emarsys.call(method, path, {}).status_code != 403


def test_a_thousand_calls_a_minute_for_each_credential(emarsys: EmarsysCaller) -> None:
    emarsys.clock.advance(30)
    first = emarsys.call("GET", "/contactlist")
    ends = str(int(emarsys.clock.now()) + 30)
    assert first.headers["x-ratelimit-limit"] == "1000"
    assert first.headers["x-ratelimit-remaining"] == "999"
    assert first.headers["x-ratelimit-reset"] == ends
    for _ in range(999):
        assert emarsys.call("GET", "/field").status_code == 200
    answer = emarsys.call("GET", "/contactlist")
    assert refusal(answer) == (429, 7003)
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in answer.headers
    assert emarsys.call("GET", "/contactlist", version="v2", headers=emarsys.wsse()).status_code == 200
    emarsys.switches.plain_throttle = True
    assert emarsys.call("GET", "/contactlist").text.startswith("Too many requests")
    emarsys.clock.advance(30)
    assert emarsys.call("GET", "/contactlist").status_code == 200


def test_without_limits_the_window_is_shown_only() -> None:
    with emarsys_caller(rate_limits=False) as emarsys:
        emarsys.switches.requests_per_minute = 2
        for _ in range(4):
            answer = emarsys.call("GET", "/contactlist")
            assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "2")


def test_paths_methods_and_bodies(emarsys: EmarsysCaller) -> None:
    assert emarsys.call("GET", "/contactlist/").status_code == 200
    assert refusal(emarsys.call("DELETE", "/contactlist")) == (400, 1009)
    assert refusal(emarsys.call("GET", "/segment")) == (400, 1)
    assert refusal(emarsys.call("POST", "/contactlist", b"{")) == (400, 1010)
    assert refusal(emarsys.call("POST", "/contactlist", b"[]")) == (400, 1001)
    assert emarsys.session.get(f"{emarsys.url}/elsewhere", timeout=10).status_code == 404
    emarsys.switches.max_body_bytes = 10
    assert refusal(emarsys.call("POST", "/contactlist", b" " * 11)) == (413, None)
    assert type(emarsys.switches)().max_body_bytes == 10_000_000


def test_answers_are_dated_and_may_be_called_html(emarsys: EmarsysCaller) -> None:
    answer = emarsys.call("GET", "/contactlist")
    assert answer.headers["date"] == "Wed, 15 Jul 2026 09:00:00 GMT"
    assert answer.headers["content-type"] == "application/json"
    emarsys.switches.json_called_html = True
    assert emarsys.call("GET", "/contactlist").headers["content-type"] == "text/html; charset=utf-8"
    assert emarsys.call("GET", "/contactlist").json()["replyCode"] == 0


def test_refusals_may_all_come_with_200(emarsys: EmarsysCaller) -> None:
    emarsys.switches.always_200 = True
    assert refusal(emarsys.call("GET", "/contactlist/5/count")) == (200, 3006)
    assert emarsys.call("GET", "/contactlist", headers={"Authorization": "none"}).status_code == 401

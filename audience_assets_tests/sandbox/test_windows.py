"""Rate limits: fixed windows for each account and endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets.sandbox.windows import Window, Windows
from audience_assets_tests.sandbox.caller import Caller, errors

NEW_LIST = {"data": {"type": "list", "attributes": {"name": "VIP"}}}


def test_windows_are_fixed_not_sliding() -> None:
    windows, two_a_second = Windows(), (Window(2, 1),)
    assert [windows.take("a", two_a_second, 10.9).allowed for _ in range(3)] == [True, True, False]
    assert [windows.take("a", two_a_second, 11.0).allowed for _ in range(3)] == [True, True, False]
    assert windows.take("b", two_a_second, 11.0).allowed


def test_the_wait_is_until_every_full_window_has_ended() -> None:
    windows, both = Windows(), (Window(2, 1), Window(3, 60))
    for moment in (0.0, 1.0, 1.0):
        assert windows.take("a", both, moment).allowed
    assert windows.take("a", both, 1.5).retry_after == 59
    assert windows.take("a", both, 60.2).remaining == 1


def test_refused_calls_are_not_counted() -> None:
    windows, both = Windows(), (Window(1, 1), Window(2, 60))
    assert windows.take("a", both, 0.0).allowed
    assert not windows.take("a", both, 0.5).allowed
    assert windows.take("a", both, 1.0).allowed


def test_a_burst_is_refused_with_retry_after_alone(limited: Caller) -> None:
    for left in range(9, -1, -1):
        answer = limited.call("POST", "/api/lists", NEW_LIST)
        assert answer.status_code == 201
        assert answer.headers["ratelimit-remaining"] == str(left)
    assert answer.headers["ratelimit-limit"] == "10, 10;w=1, 150;w=60, 150;w=86400"
    refused = limited.call("POST", "/api/lists", NEW_LIST)
    error = errors(refused, 429)[0]
    assert error["code"] == "throttled"
    assert error["detail"] == "Request was throttled. Expected available in 1 second."
    assert refused.headers["retry-after"] == "1"
    assert not [name for name in refused.headers if name.lower().startswith("ratelimit")]
    assert len(limited.account.lists) == 10
    limited.wait(1)
    assert limited.call("POST", "/api/lists", NEW_LIST).status_code == 201


def test_lists_are_limited_by_the_day(limited: Caller) -> None:
    for number in range(150):
        if number % 10 == 0:
            limited.wait(1)
        assert limited.call("POST", "/api/lists", NEW_LIST).status_code == 201
    limited.wait(61)
    refused = limited.call("POST", "/api/lists", NEW_LIST)
    assert refused.status_code == 429
    until_midnight = 86_400 - limited.clock.now() % 86_400
    assert int(refused.headers["retry-after"]) == until_midnight
    limited.wait(until_midnight)
    assert limited.call("POST", "/api/lists", NEW_LIST).status_code == 201


def test_endpoints_and_accounts_count_apart_keys_of_an_account_together(limited: Caller) -> None:
    vendor: KlaviyoSandbox = limited.sandbox.klaviyo
    vendor.account("demo", key="pk_second")
    vendor.account("other", key="pk_other")

    def status(path: str, key: str) -> int:
        return limited.call("GET", path, headers={"Authorization": f"Klaviyo-API-Key {key}"}).status_code

    assert status("/api/accounts", "pk_second") == 200
    assert status("/api/accounts", "pk_second") == 429
    assert limited.call("GET", "/api/accounts").status_code == 429
    assert status("/api/lists", "pk_second") == 200
    assert status("/api/accounts", "pk_other") == 200


@pytest.mark.parametrize(
    ("path", "parameters", "limit"),
    [
        ("/api/lists/{list}", {"additional_fields_list": "profile_count"}, "1, 1;w=1, 15;w=60"),
        ("/api/lists/{list}", {}, "75, 75;w=1, 750;w=60"),
        ("/api/profiles", {"additional_fields_profile": "subscriptions"}, "75, 75;w=1, 750;w=60"),
        ("/api/profiles", {"additional_fields_profile": "predictive_analytics"}, "10, 10;w=1, 150;w=60"),
        ("/api/lists/{list}/profiles", {}, "75, 75;w=1, 750;w=60"),
        ("/api/profile-bulk-import-jobs", {}, "10, 10;w=1, 150;w=60"),
    ],
)
def test_costly_calls_have_lower_limits(limited: Caller, path: str, parameters: dict[str, Any], limit: str) -> None:
    made = limited.account.create_list("VIP")
    answer = limited.call("GET", path.replace("{list}", made.id), **parameters)
    assert answer.status_code == 200
    assert answer.headers["ratelimit-limit"] == limit

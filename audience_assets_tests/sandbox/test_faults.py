"""Faults on demand, on either side of the write."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from audience_assets.sandbox import Action, Fault
from audience_assets_tests.sandbox.caller import SUBSCRIBE, Caller, errors, subscriber

NEW_LIST = {"data": {"type": "list", "attributes": {"name": "VIP"}}}


def create(klaviyo: Caller) -> requests.Response:
    return klaviyo.call("POST", "/api/lists", NEW_LIST)


@pytest.mark.parametrize(("action", "applied"), [(Action.ERROR_BEFORE, 0), (Action.ERROR_AFTER, 1)])
def test_errors_before_and_after_the_write(klaviyo: Caller, action: Action, applied: int) -> None:
    klaviyo.sandbox.faults.add(Fault(action, "create_list", status=502))
    errors(create(klaviyo), 502)
    assert len(klaviyo.account.lists) == applied


@pytest.mark.parametrize(("action", "applied"), [(Action.RESET_BEFORE, 0), (Action.RESET_AFTER, 1)])
def test_resets_before_and_after_the_write(klaviyo: Caller, action: Action, applied: int) -> None:
    klaviyo.sandbox.faults.add(Fault(action, "create_list"))
    with pytest.raises(requests.ConnectionError) as lost:
        create(klaviyo)
    assert "reset" in str(lost.value)
    assert len(klaviyo.account.lists) == applied
    assert klaviyo.sandbox.requests.newest(1)[0].status == 0
    assert klaviyo.call("GET", "/api/lists").status_code == 200


def test_a_truncated_answer_comes_after_the_write(klaviyo: Caller) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.TRUNCATE, "create_list"))
    with pytest.raises(requests.RequestException):
        create(klaviyo)
    assert len(klaviyo.account.lists) == 1


def test_a_throttled_call_is_not_done(klaviyo: Caller) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.THROTTLE, retry_after=7, times=1))
    klaviyo.sandbox.faults.add(Fault(Action.THROTTLE, retry_after=None, times=1))
    first, second = create(klaviyo), create(klaviyo)
    assert (first.status_code, first.headers["retry-after"]) == (429, "7")
    assert second.status_code == 429
    assert "retry-after" not in second.headers
    assert "in 0 seconds" in errors(second, 429)[0]["detail"]
    assert create(klaviyo).status_code == 201


def test_the_proxys_challenge_is_html(klaviyo: Caller) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.CHALLENGE))
    answer = create(klaviyo)
    assert answer.status_code == 403
    assert answer.headers["cf-mitigated"] == "challenge"
    assert answer.headers["content-type"].startswith("text/html")
    assert klaviyo.account.lists == []


def test_accepted_and_never_done(klaviyo: Caller) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.NOT_APPLIED, "bulk_*"))
    target = klaviyo.account.create_list("VIP", "single_opt_in")
    assert klaviyo.post_job(SUBSCRIBE, [subscriber("ann@example.com")], target.id).status_code == 202
    klaviyo.wait(3600)
    assert klaviyo.emails(target.id) == set()


def test_the_nth_call(klaviyo: Caller) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, "create_list", calls=(2, 4)))
    klaviyo.call("GET", "/api/lists")
    assert [create(klaviyo).status_code for _ in range(5)] == [201, 503, 201, 503, 201]


def test_the_same_seed_gives_the_same_failures(klaviyo: Caller) -> None:
    def run() -> list[int]:
        klaviyo.sandbox.faults.clear(seed=7)
        klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, probability=0.5))
        return [klaviyo.call("GET", "/api/lists").status_code for _ in range(20)]

    first = run()
    assert first == run()
    assert {200, 503} == set(first)
    klaviyo.sandbox.faults.clear()
    assert klaviyo.call("GET", "/api/lists").status_code == 200


def test_latency_before_and_after(klaviyo: Caller) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.LATENCY_AFTER, "create_list", seconds=0.3, times=1))
    with pytest.raises(requests.ReadTimeout):
        klaviyo.session.post(
            klaviyo.sandbox.url + "/api/lists",
            json=NEW_LIST,
            headers={"Content-Type": "application/json"},
            timeout=0.1,
        )
    assert len(klaviyo.account.lists) == 1
    klaviyo.sandbox.faults.add(Fault(Action.LATENCY_BEFORE, "create_list", seconds=0.05))
    started = time.perf_counter()
    assert create(klaviyo).status_code == 201
    assert time.perf_counter() - started >= 0.05


@pytest.mark.parametrize(("action", "seen"), [(Action.HOOK_BEFORE, 0), (Action.HOOK_AFTER, 1)])
def test_a_hook_runs_while_the_caller_waits(klaviyo: Caller, action: Action, seen: int) -> None:
    found: list[int] = []
    released = threading.Event()

    def hook(_: object) -> None:
        found.append(len(klaviyo.account.lists))
        released.set()

    klaviyo.sandbox.faults.add(Fault(action, "create_list", hook=hook))
    assert create(klaviyo).status_code == 201
    assert released.is_set()
    assert found == [seen]


def test_a_fault_does_not_silence_the_others(klaviyo: Caller) -> None:
    """Delays add to a failure; of two failures the first rule's wins."""
    faults = klaviyo.sandbox.faults
    slow = faults.add(Fault(Action.LATENCY_BEFORE, seconds=0.01))
    faults.add(Fault(Action.ERROR_BEFORE, status=500))
    other = faults.add(Fault(Action.ERROR_BEFORE, status=504))
    errors(create(klaviyo), 500)
    assert (slow.hits, other.hits) == (1, 0)

"""Suppression jobs withhold e-mail by hand and give it back."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets_tests.sandbox.caller import SUPPRESS, UNSUPPRESS, Caller, errors, parameter, person, pointers

ROWS = "/data/attributes/profiles/data"


def run(klaviyo: Caller, kind: str, *emails: str, list_id: str | None = None) -> dict[str, Any]:
    """The finished job."""
    body: dict[str, Any] = {"data": {"type": kind, "attributes": {}}}
    if emails:
        body["data"]["attributes"] = {"profiles": {"data": [person(email=email) for email in emails]}}
    if list_id:
        body["data"]["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    answer = klaviyo.call("POST", f"/api/{kind}s", body)
    assert answer.status_code == 202, answer.text
    job = answer.json()["data"]
    assert job["attributes"]["status"] == "queued"
    klaviyo.wait()
    found: dict[str, Any] = klaviyo.get(f"/api/{kind}s/{job['id']}")["data"]
    assert found["attributes"]["status"] == "complete"
    return found


def test_suppressing_leaves_consent_alone_and_creates_the_unknown(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com", "consents": {"email": "SUBSCRIBED"}}])
    before = klaviyo.account.audit
    job = run(klaviyo, SUPPRESS, "ann@example.com", "new@example.com")["attributes"]
    assert (job["total_count"], job["completed_count"], job["skipped_count"]) == (2, 2, 0)
    state = klaviyo.consent("ann@example.com")
    assert (state.status, state.suppressions) == ("SUBSCRIBED", ("USER_SUPPRESSED",))
    assert klaviyo.consent("new@example.com").suppressions == ("USER_SUPPRESSED",)
    assert klaviyo.account.audit == before
    again = run(klaviyo, SUPPRESS, "ann@example.com")["attributes"]
    assert (again["completed_count"], again["skipped_count"]) == (0, 1)


def test_unsuppressing_undoes_only_that(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com"}])
    for reason in ("USER_SUPPRESSED", "HARD_BOUNCE", "INVALID_EMAIL"):
        klaviyo.account.suppress("ann@example.com", reason)
    klaviyo.account.opt_out("ann@example.com")
    job = run(klaviyo, UNSUPPRESS, "ann@example.com", "unknown@example.com")["attributes"]
    assert (job["completed_count"], job["skipped_count"]) == (1, 1)
    assert klaviyo.consent("ann@example.com").suppressions == ("HARD_BOUNCE", "INVALID_EMAIL", "UNSUBSCRIBE")
    assert klaviyo.account.find("unknown@example.com") is None


def test_a_list_stands_for_its_members_now(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    klaviyo.account.add_profiles({"email": f"{name}@example.com", "lists": [target.id]} for name in "abc")
    job = run(klaviyo, SUPPRESS, list_id=target.id)
    assert job["attributes"]["completed_count"] == 3
    assert job["relationships"]["lists"]["data"] == [{"type": "list", "id": target.id}]
    assert klaviyo.emails(target.id) == {"a@example.com", "b@example.com", "c@example.com"}
    assert klaviyo.consent("a@example.com").suppressions == ("USER_SUPPRESSED",)
    run(klaviyo, UNSUPPRESS, list_id=target.id)
    assert klaviyo.consent("a@example.com").suppressions == ()


@pytest.mark.parametrize("kind", [SUPPRESS, UNSUPPRESS])
def test_a_call_takes_a_hundred_addresses(klaviyo: Caller, kind: str) -> None:
    rows = [person(email=f"user{number}@example.com") for number in range(101)]
    assert pointers(klaviyo.post_job(kind, rows)) == [ROWS]
    assert klaviyo.post_job(kind, rows[:100]).status_code == 202


@pytest.mark.parametrize("kind", [SUPPRESS, UNSUPPRESS])
def test_bad_calls(klaviyo: Caller, kind: str) -> None:
    target = klaviyo.account.create_list("VIP")
    assert pointers(klaviyo.post_job(kind, [person(email="a@example.com"), person(phone_number="+1")])) == [
        f"{ROWS}/1/attributes/email"
    ]
    assert pointers(klaviyo.post_job(kind, [person(email="a@example.com")], target.id)) == ["/data"]
    nothing = {"data": {"type": kind, "attributes": {}}}
    assert pointers(klaviyo.call("POST", f"/api/{kind}s", nothing)) == ["/data"]
    errors(klaviyo.call("GET", f"/api/{kind}s/none"), 404)


def test_jobs_are_listed_by_kind_status_and_list(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    klaviyo.account.add_profiles([{"email": "a@example.com", "lists": [target.id]}])
    by_address = run(klaviyo, SUPPRESS, "a@example.com")["id"]
    by_list = run(klaviyo, SUPPRESS, list_id=target.id)["id"]
    run(klaviyo, UNSUPPRESS, "a@example.com")
    path = f"/api/{SUPPRESS}s"
    assert [each["id"] for each in klaviyo.get(path, sort="-created")["data"]] == [by_list, by_address]
    found = klaviyo.get(path, filter=f'equals(status,"complete"),equals(list_id,"{target.id}")')
    assert [each["id"] for each in found["data"]] == [by_list]
    assert klaviyo.get(path, filter='equals(status,"queued")')["data"] == []
    assert parameter(klaviyo.call("GET", path, sort="created_at")) == "sort"
    assert parameter(klaviyo.call("GET", path, page_size="10")) == "page[size]"

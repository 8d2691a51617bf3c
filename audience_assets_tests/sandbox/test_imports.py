"""Bulk import: an upsert without consent, done later, with errors to read."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets_tests.sandbox.caller import IMPORT, Caller, errors, parameter, person, pointers

ROWS = "/data/attributes/profiles/data"
PATH = f"/api/{IMPORT}s"


def start(klaviyo: Caller, *rows: Any, list_id: str | None = None) -> str:
    answer = klaviyo.post_job(IMPORT, rows, list_id)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["data"]["id"]
    return job_id


def state(klaviyo: Caller, job_id: str) -> dict[str, Any]:
    attributes: dict[str, Any] = klaviyo.get(f"{PATH}/{job_id}")["data"]["attributes"]
    return attributes


def test_a_job_is_queued_then_processed_then_complete(klaviyo: Caller) -> None:
    klaviyo.switches.job_queued, klaviyo.switches.job_processing = 10, 20
    target = klaviyo.account.create_list("VIP", "double_opt_in")
    job = start(klaviyo, person(email="ann@example.com"), list_id=target.id)
    seen = []
    for _ in range(4):
        now = state(klaviyo, job)
        seen.append((now["status"], now["completed_count"], now["started_at"], now["completed_at"]))
        klaviyo.wait(10)
    started, done = "2026-07-15T09:00:10+00:00", "2026-07-15T09:00:30+00:00"
    assert seen == [
        ("queued", 0, None, None),
        ("processing", 0, started, None),
        ("processing", 0, started, None),
        ("complete", 1, started, done),
    ]
    assert now["expires_at"] == "2026-07-22T09:00:00+00:00"
    assert klaviyo.emails(target.id) == {"ann@example.com"}


def test_importing_writes_no_consent(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP", "double_opt_in")
    klaviyo.account.add_profiles([{"email": "ann@example.com"}])
    klaviyo.account.opt_out("ann@example.com")
    before = klaviyo.account.audit
    start(klaviyo, person(email="ann@example.com"), person(email="bob@example.com"), list_id=target.id)
    klaviyo.wait()
    assert klaviyo.emails(target.id) == {"ann@example.com", "bob@example.com"}
    assert klaviyo.consent("ann@example.com").suppressions == ("UNSUBSCRIBE",)
    assert klaviyo.account.audit == before


def test_importing_changes_what_is_given_and_nulls_nothing(klaviyo: Caller) -> None:
    first = person(
        email="ann@example.com",
        external_id="c-1",
        first_name="Ann",
        location={"city": "Boston", "zip": "02110"},
        properties={"tier": "gold", "segments": ["new"], "old": 1},
    )
    second = person(external_id="c-1", first_name=None, last_name="Doe", location={"city": "Salem"})
    second["meta"] = {
        "patch_properties": {"append": {"segments": "vip"}, "unappend": {"segments": "new"}, "unset": ["old"]}
    }
    for row in (first, second):
        start(klaviyo, row)
        klaviyo.wait()
    found = klaviyo.get("/api/profiles")["data"]
    assert len(found) == 1
    read = found[0]["attributes"]
    assert (read["first_name"], read["last_name"], read["email"]) == ("Ann", "Doe", "ann@example.com")
    assert (read["location"]["city"], read["location"]["zip"]) == ("Salem", "02110")
    assert read["properties"] == {"tier": "gold", "segments": ["vip"]}
    assert read["updated"] > read["created"]


def test_the_job_tells_who_came_of_it(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    job = start(klaviyo, *(person(email=f"user{n}@example.com") for n in range(150)), list_id=target.id)
    klaviyo.wait()
    pages = list(klaviyo.pages(f"{PATH}/{job}/profiles", page_size="100", fields_profile="email"))
    assert [len(page["data"]) for page in pages] == [100, 50]
    ids = [each["id"] for page in klaviyo.pages(f"{PATH}/{job}/relationships/profiles") for each in page["data"]]
    assert ids == [each["id"] for page in pages for each in page["data"]]
    assert klaviyo.get(f"{PATH}/{job}/lists")["data"][0]["attributes"]["name"] == "VIP"
    assert klaviyo.get(f"{PATH}/{job}/relationships/lists")["data"] == [{"type": "list", "id": target.id}]
    included = klaviyo.get(f"{PATH}/{job}", include="lists")["included"]
    assert [each["id"] for each in included] == [target.id]


def test_rows_may_fail_later(klaviyo: Caller) -> None:
    """Complete does not mean that every row succeeded."""
    klaviyo.account.add_profiles([{"email": "ann@example.com"}, {"phone_number": "+12025550101"}])
    klaviyo.account.import_failures["told@example.com"] = "The address looks fake."
    target = klaviyo.account.create_list("VIP")
    rows = [
        person(email="ann@example.com", phone_number="+12025550101"),
        person(email="told@example.com"),
        person(email="good@example.com"),
    ]
    job = start(klaviyo, *rows, list_id=target.id)
    klaviyo.wait()
    now = state(klaviyo, job)
    assert (now["status"], now["total_count"], now["completed_count"], now["failed_count"]) == ("complete", 3, 1, 2)
    failed = klaviyo.get(f"{PATH}/{job}/import-errors", page_size="100")["data"]
    assert [each["attributes"]["original_payload"] for each in failed] == [row["attributes"] for row in rows[:2]]
    assert failed[1]["attributes"]["detail"] == "The address looks fake."
    assert klaviyo.emails(target.id) == {"good@example.com"}
    klaviyo.switches.import_conflict_fails = False
    job = start(klaviyo, rows[0], list_id=target.id)
    klaviyo.wait()
    assert state(klaviyo, job)["failed_count"] == 0
    assert klaviyo.emails(target.id) == {"good@example.com", "ann@example.com"}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (person(email="bad@"), "/attributes/email"),
        (person(email="a@example.com", phone_number="0612345678"), "/attributes/phone_number"),
        (person(external_id="x" * 256), "/attributes/external_id"),
        (person(first_name="Ann"), "/attributes"),
        (person(email="a@example.com", anonymous_id="x"), "/attributes/anonymous_id"),
        (person(email="a@example.com", subscriptions={}), "/attributes/subscriptions"),
        (person(email="a@example.com", properties=[]), "/attributes/properties"),
        (person(email="a@example.com", first_name=1), "/attributes/first_name"),
        ({**person(email="a@example.com"), "meta": {"unset": []}}, "/meta"),
    ],
)
def test_a_malformed_row_refuses_the_call(klaviyo: Caller, row: dict[str, Any], field: str) -> None:
    assert pointers(klaviyo.post_job(IMPORT, [person(email="good@example.com"), row])) == [f"{ROWS}/1{field}"]
    klaviyo.wait()
    assert klaviyo.account.contacts == 0


def test_a_call_takes_ten_thousand_profiles(klaviyo: Caller) -> None:
    rows = [person(email=f"u{number}@x.io") for number in range(10_001)]
    assert pointers(klaviyo.post_job(IMPORT, rows)) == [ROWS]
    start(klaviyo, *rows[:10_000])
    klaviyo.wait()
    assert klaviyo.account.contacts == 10_000


def test_a_profile_has_a_hundred_kilobytes(klaviyo: Caller) -> None:
    fat = person(email="fat@example.com", properties={"text": "x" * 102_400})
    assert pointers(klaviyo.post_job(IMPORT, [person(email="slim@example.com"), fat])) == [f"{ROWS}/1"]


def test_the_list_is_an_array_not_an_object(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    reference = {"type": "list", "id": target.id}
    body = {
        "data": {
            "type": IMPORT,
            "attributes": {"profiles": {"data": [person(email="a@example.com")]}},
            "relationships": {"list": {"data": reference}},
        }
    }
    assert pointers(klaviyo.call("POST", PATH, body)) == ["/data/relationships/list"]
    assert pointers(klaviyo.post_job(IMPORT, [person(email="a@example.com")], "Nolist")) == [
        "/data/relationships/lists/data/0/id"
    ]


def test_jobs_are_listed_by_status(klaviyo: Caller) -> None:
    klaviyo.switches.job_queued = 10
    done = start(klaviyo, person(email="a@example.com"))
    klaviyo.wait(60)
    queued = start(klaviyo, person(email="b@example.com"))

    def ids(**parameters: str) -> list[str]:
        return [each["id"] for each in klaviyo.get(PATH, **parameters)["data"]]

    assert ids() == ids(sort="created_at") == [done, queued]
    assert ids(sort="-created_at") == [queued, done]
    assert ids(filter='equals(status,"complete")') == [done]
    assert ids(filter='any(status,["queued","processing"])') == [queued]
    assert parameter(klaviyo.call("GET", PATH, sort="created")) == "sort"


def test_jobs_expire_after_a_week(klaviyo: Caller) -> None:
    job = start(klaviyo, person(email="a@example.com"))
    klaviyo.wait(7 * 86_400)
    errors(klaviyo.call("GET", f"{PATH}/{job}"), 404)
    assert klaviyo.get(PATH)["data"] == []


def test_switches_decide_what_is_not_documented(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    klaviyo.account.import_failures["told@example.com"] = "No."
    klaviyo.account.import_failures["properties.bad"] = "Not this one."
    klaviyo.switches.import_null_clears = klaviyo.switches.import_errors_point = True
    klaviyo.switches.import_errors_hold_rows = klaviyo.switches.imports_reach_lists = False
    first = person(email="ann@example.com", first_name="Ann")
    rows = [person(email="ann@example.com", first_name=None), person(email="told@example.com")]
    start(klaviyo, first)
    klaviyo.wait()
    job = start(klaviyo, *rows, person(email="bob@example.com", properties={"bad": 1}), list_id=target.id)
    klaviyo.wait()
    assert klaviyo.emails(target.id) == set()
    [ann] = klaviyo.get("/api/profiles")["data"]
    assert ann["attributes"]["first_name"] is None
    failed = [each["attributes"] for each in klaviyo.get(f"{PATH}/{job}/import-errors")["data"]]
    assert [each["source"]["pointer"] for each in failed] == [f"{ROWS}/1", f"{ROWS}/2"]
    assert [(each["original_payload"], each["detail"]) for each in failed] == [(None, "No."), (None, "Not this one.")]


def test_a_cancelled_job_does_nothing(klaviyo: Caller) -> None:
    job = start(klaviyo, person(email="ann@example.com"))
    klaviyo.account.jobs[0].cancelled = True
    klaviyo.wait()
    assert (state(klaviyo, job)["status"], klaviyo.account.contacts) == ("cancelled", 0)


def test_finishing_jobs_ends_them_now(klaviyo: Caller) -> None:
    klaviyo.switches.job_processing = 3600
    job = start(klaviyo, person(email="ann@example.com"))
    klaviyo.account.finish_jobs()
    assert (state(klaviyo, job)["status"], klaviyo.account.contacts) == ("complete", 1)


def test_the_page_shows_imports(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    start(klaviyo, person(email="ann@example.com"), list_id=target.id)
    klaviyo.wait()
    start(klaviyo, person(email="bob@example.com"))
    page = klaviyo.sandbox.klaviyo.view("", {})
    assert page is not None
    [imports] = [table for table in page.tables if table.title == "Newest imports"]
    assert [row[1:] for row in imports.rows] == [
        ("no list", "queued", "1", "0", "0"),
        ("VIP", "complete", "1", "1", "0"),
    ]

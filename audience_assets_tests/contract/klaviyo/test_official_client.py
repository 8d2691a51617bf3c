"""Klaviyo's own Python client works against the sandbox: it parses every answer into its own models."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from audience_assets.sandbox import Action, Fault
from audience_assets_tests.sandbox.caller import (
    IMPORT,
    KEY,
    SUBSCRIBE,
    SUPPRESS,
    UNSUBSCRIBE,
    UNSUPPRESS,
    Caller,
    job_body,
    person,
    subscriber,
    unsubscriber,
)
from audience_assets_tests.sandbox.conftest import klaviyo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the client's dependencies say while they are imported
    from klaviyo_api import KlaviyoAPI
    from openapi_client.exceptions import BadRequestException

__all__ = ["klaviyo"]


@pytest.fixture
def official(klaviyo: Caller) -> Any:
    return KlaviyoAPI(KEY, max_delay=1, max_retries=2, test_host=klaviyo.sandbox.url)


def plain(answer: Any) -> Any:
    """The client answers with models, or with dictionaries where its models can't hold an answer."""
    return answer if isinstance(answer, dict) else answer.to_dict()


def following(page: Any) -> str:
    """The link to the next page. The client finds the cursor in an https link only."""
    link: str = page["links"]["next"]
    return link.replace("http://", "https://")


def make_list(official: Any, name: str = "VIP", process: str = "single_opt_in") -> str:
    attributes = {"name": name, "opt_in_process": process}
    made = plain(official.Lists.create_list({"data": {"type": "list", "attributes": attributes}}))
    list_id: str = made["data"]["id"]
    return list_id


def test_the_account(klaviyo: Caller, official: Any) -> None:
    assert plain(official.Accounts.get_accounts())["data"][0]["id"] == klaviyo.account.id


def test_lists(klaviyo: Caller, official: Any) -> None:
    made = make_list(official)
    for number in range(12):
        make_list(official, f"List{number}")
    first = plain(official.Lists.get_lists())
    second = plain(official.Lists.get_lists(page_cursor=following(first)))
    assert [len(page["data"]) for page in (first, second)] == [10, 3]
    assert [each["id"] for each in plain(official.Lists.get_lists(filter='any(name,["VIP"])'))["data"]] == [made]
    changed = {"data": {"type": "list", "id": made, "attributes": {"opt_in_process": "double_opt_in"}}}
    assert plain(official.Lists.update_list(made, changed))["data"]["attributes"]["opt_in_process"] == "double_opt_in"
    found = plain(official.Lists.get_list(made, additional_fields_list=["profile_count"]))
    assert found["data"]["attributes"]["profile_count"] == 0
    official.Lists.delete_list(made)
    assert klaviyo.account.find_list(made) is None


def test_looking_people_up(klaviyo: Caller, official: Any) -> None:
    row = {"email": "ann+1@example.com", "phone_number": "+12025550101", "consents": {"email": "SUBSCRIBED"}}
    klaviyo.account.add_profiles([row, {"email": "bob@example.com"}])
    for condition in ('any(email,["ann+1@example.com","nobody@example.com"])', 'any(phone_number,["+12025550101"])'):
        found = plain(
            official.Profiles.get_profiles(
                filter=condition,
                page_size=100,
                fields_profile=["email", "subscriptions"],
                additional_fields_profile=["subscriptions"],
            )
        )
        (ann,) = found["data"]
        assert ann["attributes"]["email"] == "ann+1@example.com"
        assert ann["attributes"]["subscriptions"]["email"]["marketing"]["consent"] == "SUBSCRIBED"


def test_members(klaviyo: Caller, official: Any) -> None:
    target = make_list(official)
    klaviyo.account.add_profiles({"email": f"user{number}@example.com"} for number in range(130))
    ids = [profile.id for profile in klaviyo.account.profiles]
    body = {"data": [{"type": "profile", "id": each} for each in ids]}
    official.Lists.add_profiles_to_list(target, body)
    first = plain(official.Lists.get_profile_ids_for_list(target, page_size=100))
    second = plain(official.Lists.get_profile_ids_for_list(target, page_size=100, page_cursor=following(first)))
    assert [each["id"] for page in (first, second) for each in page["data"]] == ids
    whole = plain(official.Lists.get_profiles_for_list(target, additional_fields_profile=["subscriptions"]))
    assert len(whole["data"]) == 20
    assert whole["data"][0]["attributes"]["joined_group_at"]
    official.Lists.remove_profiles_from_list(target, body)
    assert klaviyo.emails(target) == set()


def test_consent(klaviyo: Caller, official: Any) -> None:
    target = make_list(official)
    rows = [subscriber("ann@example.com", "+12025550101")]
    official.Profiles.bulk_subscribe_profiles(job_body(SUBSCRIBE, rows, target, custom_source="x"))
    dated = [subscriber("bob@example.com", at="2025-11-03T09:15:00Z")]
    official.Profiles.bulk_subscribe_profiles(job_body(SUBSCRIBE, dated, target, historical_import=True))
    klaviyo.wait()
    assert klaviyo.emails(target) == {"ann@example.com", "bob@example.com"}
    official.Profiles.bulk_unsubscribe_profiles(job_body(UNSUBSCRIBE, [unsubscriber("ann@example.com")], target))
    klaviyo.wait()
    assert klaviyo.emails(target) == {"bob@example.com"}
    assert klaviyo.consent("ann@example.com").status == "UNSUBSCRIBED"


def test_imports(klaviyo: Caller, official: Any) -> None:
    target = make_list(official)
    klaviyo.account.import_failures["bad@example.com"] = "No."
    rows = [person(email="ann@example.com", first_name="Ann"), person(email="bad@example.com")]
    job = plain(official.Profiles.bulk_import_profiles(job_body(IMPORT, rows, target)))["data"]["id"]
    assert plain(official.Profiles.get_bulk_import_profiles_job(job))["data"]["attributes"]["status"] == "queued"
    klaviyo.wait()
    state = plain(official.Profiles.get_bulk_import_profiles_job(job, include=["lists"]))["data"]["attributes"]
    assert (state["status"], state["completed_count"], state["failed_count"]) == ("complete", 1, 1)
    (failed,) = plain(official.Profiles.get_errors_for_bulk_import_profiles_job(job, page_size=100))["data"]
    assert failed["attributes"]["original_payload"] == {"email": "bad@example.com"}
    (imported,) = plain(official.Profiles.get_profiles_for_bulk_import_profiles_job(job))["data"]
    assert imported["attributes"]["email"] == "ann@example.com"
    newest = plain(official.Profiles.get_bulk_import_profiles_jobs(sort="-created_at", page_size=100))["data"]
    assert [each["relationships"]["lists"]["data"] for each in newest] == [[{"type": "list", "id": target}]]
    unfinished = official.Profiles.get_bulk_import_profiles_jobs(filter='any(status,["queued","processing"])')
    assert plain(unfinished)["data"] == []
    lists = plain(official.Profiles.get_list_ids_for_bulk_import_profiles_job(job))["data"]
    assert lists == [{"type": "list", "id": target}]


def test_attributes_of_an_import(klaviyo: Caller, official: Any) -> None:
    row = person(email="ann@example.com", first_name="Ann", location={"city": "Oslo"}, properties={"tier": "gold"})
    official.Profiles.bulk_import_profiles(job_body(IMPORT, [row]))
    klaviyo.wait()
    unset = {**person(email="ann@example.com"), "meta": {"patch_properties": {"unset": ["tier"]}}}
    official.Profiles.bulk_import_profiles(job_body(IMPORT, [unset]))
    klaviyo.wait()
    body = {"data": {"type": "profile", "attributes": {"email": "ann@example.com", "location": {"city": None}}}}
    found = plain(official.Profiles.create_or_update_profile(body))["data"]["attributes"]
    assert (found["first_name"], found["location"]["city"], found["properties"]) == ("Ann", None, {})


def test_suppressions(klaviyo: Caller, official: Any) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com"}])
    rows = [person(email="ann@example.com")]
    job = plain(official.Profiles.bulk_suppress_profiles(job_body(SUPPRESS, rows)))["data"]["id"]
    klaviyo.wait()
    assert plain(official.Profiles.get_bulk_suppress_profiles_job(job))["data"]["attributes"]["completed_count"] == 1
    assert klaviyo.consent("ann@example.com").suppressions == ("USER_SUPPRESSED",)
    job = plain(official.Profiles.bulk_unsuppress_profiles(job_body(UNSUPPRESS, rows)))["data"]["id"]
    klaviyo.wait()
    assert plain(official.Profiles.get_bulk_unsuppress_profiles_job(job))["data"]["attributes"]["status"] == "complete"
    assert klaviyo.consent("ann@example.com").suppressions == ()


def test_single_profiles(klaviyo: Caller, official: Any) -> None:
    body = {"data": {"type": "profile", "attributes": {"email": "ann@example.com"}}}
    made = plain(official.Profiles.create_profile(body))["data"]["id"]
    assert plain(official.Profiles.get_profile(made))["data"]["attributes"]["email"] == "ann@example.com"


def test_refusals_and_throttling(klaviyo: Caller, official: Any) -> None:
    with pytest.raises(BadRequestException) as refused:
        official.Profiles.bulk_subscribe_profiles(job_body(SUBSCRIBE, [subscriber("bad@")]))
    assert "/data/attributes/profiles/data/0/attributes/email" in str(refused.value)
    klaviyo.sandbox.faults.add(Fault(Action.THROTTLE, retry_after=0, times=1))
    official.Lists.get_lists()
    assert [entry.status for entry in klaviyo.sandbox.requests] == [400, 429, 200]

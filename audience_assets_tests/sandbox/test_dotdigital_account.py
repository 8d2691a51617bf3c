"""The Dotdigital twin's door: credentials, region, limits, lists, removals, the page and its commands."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.dotdigital import AccountSettings, DotdigitalSandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets_tests.sandbox.dotdigital_caller import (
    PASSWORD,
    USER,
    DotdigitalCaller,
    dotdigital,
    person,
)

__all__ = ["dotdigital"]

ANN, BOB = "ann@example.com", "bob@example.com"
LIMIT, REMAINING, RESET, SCOPE = (f"X-RateLimit-{name}" for name in ("Limit", "Remaining", "Reset", "Scope"))


@pytest.mark.parametrize("path", ["/v2/account-info", "/contacts/v3"])
@pytest.mark.parametrize("auth", [None, (USER, "wrong"), ("nobody", PASSWORD)])
def test_who_is_not_known_gets_nothing(dotdigital: DotdigitalCaller, path: str, auth: Any) -> None:
    dotdigital.session.auth = auth
    answer = dotdigital.call("GET", path)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "authorization" in answer.json()["message"].lower()


def test_the_account_tells_its_address(dotdigital: DotdigitalCaller) -> None:
    told = {each["name"]: each["value"] for each in dotdigital.get("/v2/account-info")["properties"]}
    assert told["ApiEndpoint"] == f"{dotdigital.sandbox.url}/"
    assert all(isinstance(value, str) for value in told.values())


def test_another_region_is_forbidden_but_for_the_accounts_information(dotdigital: DotdigitalCaller) -> None:
    dotdigital.account.settings = AccountSettings(region="r2")
    told = {each["name"]: each["value"] for each in dotdigital.get("/v2/account-info")["properties"]}
    assert told["ApiEndpoint"] == f"{dotdigital.sandbox.url}/r2/"
    refused = dotdigital.call("GET", "/v2/address-books")
    assert (refused.status_code, refused.headers["Content-Type"]) == (403, "text/html")
    assert dotdigital.call("GET", "/r2/v2/address-books").status_code == 200


def test_each_tier_is_counted_by_the_minute(dotdigital: DotdigitalCaller) -> None:
    dotdigital.vendor.rate_limits = True
    dotdigital.vendor.tiers["lowCallRate"] = 3
    for left in (2, 1, 0):
        headers = dotdigital.call("GET", "/contacts/v3").headers
        assert (headers[LIMIT], headers[REMAINING], headers[SCOPE]) == ("3", str(left), "lowCallRate")
    refused = dotdigital.call("GET", "/contacts/v3")
    assert (refused.status_code, refused.content) == (429, b"")
    assert float(refused.headers[RESET]) == dotdigital.clock.now() + 60
    assert dotdigital.call("GET", "/v2/account-info").status_code == 200, "another tier"
    dotdigital.clock.advance(60)
    assert dotdigital.call("GET", "/contacts/v3").status_code == 200


def test_the_end_of_a_window_can_be_told_in_seconds(dotdigital: DotdigitalCaller) -> None:
    dotdigital.switches.reset_is_a_moment = False
    assert float(dotdigital.call("GET", "/contacts/v3").headers[RESET]) == 60


def test_the_flat_scheme_counts_an_hour_and_answers_400(dotdigital: DotdigitalCaller) -> None:
    dotdigital.vendor.rate_limits = True
    dotdigital.vendor.flat_calls = 2
    dotdigital.vendor.account("demo", user="flat", password="x", scheme="flat")
    dotdigital.session.auth = ("flat", "x")
    for _ in range(2):
        answer = dotdigital.call("GET", "/v2/address-books")
        assert answer.status_code == 200
        assert SCOPE not in answer.headers
    refused = dotdigital.call("GET", "/v2/address-books")
    assert refused.status_code == 400
    assert refused.json()["message"].endswith("ERROR_APIUSAGE_EXCEEDED")
    dotdigital.clock.advance(3601)
    assert dotdigital.call("GET", "/v2/address-books").status_code == 200


@pytest.mark.parametrize("name", ["Test", "all contacts", "Readers", "READERS", "Big spenders"])
def test_names_are_unique_among_lists_and_segments(dotdigital: DotdigitalCaller, name: str) -> None:
    dotdigital.make_list("Readers")
    dotdigital.account.segments.add("Big spenders")
    answer = dotdigital.call("POST", "/v2/address-books", {"name": name})
    assert (answer.status_code, answer.json()) == (400, {"message": "Error: ERROR_ADDRESSBOOK_DUPLICATE"})


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 129}, {"name": "x", "visibility": "private"}, []])
def test_a_list_needs_a_name_and_a_visibility(dotdigital: DotdigitalCaller, body: Any) -> None:
    answer = dotdigital.call("POST", "/v2/address-books", body)
    assert answer.json() == {"message": "Error: ERROR_ADDRESSBOOK_INVALID"}


def test_lists_are_paged_and_hold_the_systems(dotdigital: DotdigitalCaller) -> None:
    for number in range(5):
        dotdigital.make_list(f"List {number}")
    every = dotdigital.get("/v2/address-books")
    assert [each["name"] for each in every][:2] == ["All contacts", "Test"]
    assert dotdigital.get("/v2/address-books", select=3, skip=5) == every[5:]
    assert dotdigital.get("/v2/address-books", select=3, skip=9) == []
    for wrong in ({"select": 0}, {"select": 1001}, {"skip": -1}):
        answer = dotdigital.call("GET", "/v2/address-books", **wrong)
        assert (answer.status_code, answer.json()) == (400, {"message": "Error: ERROR_PARAMETER_INVALID"})


def test_a_change_of_visibility_needs_the_name(dotdigital: DotdigitalCaller) -> None:
    path = f"/v2/address-books/{dotdigital.make_list()}"
    assert dotdigital.call("PUT", path, {"visibility": "Public"}).status_code == 400
    assert dotdigital.call("PUT", path, {"name": "Readers", "visibility": "Public"}).json()["visibility"] == "Public"
    assert [each["name"] for each in dotdigital.get("/v2/address-books/public")] == ["Readers"]


def test_a_list_that_is_not_there_is_not_found(dotdigital: DotdigitalCaller) -> None:
    for method, path, body in (
        ("GET", "/v2/address-books/1", None),
        ("POST", "/v2/address-books/1/contacts/delete", [1]),
        ("GET", "/v2/address-books/1/contacts/unsubscribed-since/2026-01-01", None),
    ):
        answer = dotdigital.call(method, path, body)
        assert (answer.status_code, answer.json()) == (404, {"message": "Error: ERROR_ADDRESSBOOK_NOT_FOUND"})


def test_a_removal_is_a_job_and_deletes_nobody(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    ids = dotdigital.account.add_contacts([{"email": email, "lists": [target]} for email in (ANN, BOB)])
    answer = dotdigital.call("POST", f"/v2/address-books/{target}/contacts/delete", [ids[0], 7])
    job = answer.json()
    assert (answer.status_code, job["status"]) == (202, "Started")
    assert dotdigital.get(f"/v2/contacts/deletion/{job['id']}")["status"] == "Started"
    assert dotdigital.emails(target) == {ANN, BOB}
    assert dotdigital.get(f"/v2/contacts/deletion/{job['id']}")["status"] == "Completed"
    assert dotdigital.emails(target) == {BOB}
    assert dotdigital.get(f"/contacts/v3/email/{ANN}")["status"] == "subscribed"


@pytest.mark.parametrize("body", [{}, [], ["1"], [1.5], [True], [2**31], [-1]])
def test_a_removal_takes_whole_numbers(dotdigital: DotdigitalCaller, body: Any) -> None:
    answer = dotdigital.call("POST", f"/v2/address-books/{dotdigital.make_list()}/contacts/delete", body)
    assert answer.json() == {"message": "Error: ERROR_PARAMETER_INVALID"}


def test_one_is_removed_at_once(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    [ann] = dotdigital.account.add_contacts([{"email": ANN, "lists": [target]}])
    path = f"/v2/address-books/{target}/contacts"
    answer = dotdigital.call("DELETE", f"{path}/{ann}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert dotdigital.call("DELETE", f"{path}/{ann}").status_code == 204
    assert dotdigital.call("DELETE", f"{path}/1").json() == {"message": "Error: ERROR_CONTACT_NOT_FOUND"}


@pytest.mark.parametrize(("forgets", "kept"), [(True, []), (False, [ANN])])
def test_what_a_removal_does_to_an_opt_out_is_a_switch(
    dotdigital: DotdigitalCaller, forgets: bool, kept: list[str]
) -> None:
    dotdigital.switches.removal_forgets_opt_out = forgets
    target = dotdigital.make_list()
    [ann] = dotdigital.account.add_contacts([{"email": ANN, "lists": [target]}])
    dotdigital.account.leave_list(ANN, target)
    dotdigital.call("DELETE", f"/v2/address-books/{target}/contacts/{ann}")
    feed = dotdigital.get(f"/v2/address-books/{target}/contacts/unsubscribed-since/2026-01-01")
    assert [each["suppressedContact"]["email"] for each in feed] == kept


def test_removing_who_is_in_the_list_no_more_leaves_the_record(dotdigital: DotdigitalCaller) -> None:
    """Who unsubscribed from everything is in no list."""
    dotdigital.switches.removal_forgets_opt_out = False
    target = dotdigital.make_list()
    [ann] = dotdigital.account.add_contacts([{"email": ANN, "lists": [target]}])
    dotdigital.account.opt_out(ANN)
    dotdigital.call("DELETE", f"/v2/address-books/{target}/contacts/{ann}")
    feed = dotdigital.get(f"/v2/address-books/{target}/contacts/unsubscribed-since/2026-01-01")
    assert [each["suppressedContact"]["email"] for each in feed] == [ANN]


def test_feeds_tell_from_a_day_on(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": email, "lists": [target]} for email in (ANN, BOB)])
    dotdigital.account.leave_list(ANN, target)
    dotdigital.clock.advance(2 * 86_400)
    dotdigital.call("POST", "/v2/contacts/unsubscribe", {"email": BOB})
    path = f"/v2/address-books/{target}/contacts/unsubscribed-since"
    assert len(dotdigital.get(f"{path}/2026-07-15")) == 2
    assert [each["suppressedContact"]["email"] for each in dotdigital.get(f"{path}/2026-07-16")] == [BOB]
    assert [e["reason"] for e in dotdigital.get("/v2/contacts/suppressed-since/2026-07-16")] == ["Unsubscribed"]
    assert dotdigital.call("GET", f"{path}/yesterday").status_code == 400


def test_unknown_paths_are_not_found(dotdigital: DotdigitalCaller) -> None:
    assert dotdigital.call("GET", "/v2/nothing").status_code == 404
    assert dotdigital.call("POST", "/v2/account-info", {}).status_code == 404


def test_the_page_shows_lists_people_and_changes(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list("Readers <b>")
    dotdigital.account.add_contacts([{"email": ANN, "lists": [target]}, {"mobile": "447400123451"}])
    dotdigital.account.opt_out(ANN)
    dotdigital.run_import(person(BOB, target))
    url = dotdigital.sandbox.url
    overview = requests.get(url, timeout=10).text
    assert "Readers &lt;b&gt;" in overview
    assert "subscribed → unsubscribed" in overview
    assert "import_contacts" in overview
    view = f"{url}/_sandbox/view/dotdigital/demo"
    assert BOB in requests.get(f"{view}/lists/{target}", timeout=10).text
    assert "447400123451" in requests.get(f"{view}/contacts", timeout=10).text
    assert requests.get(f"{view}/lists/1", timeout=10).status_code == 404


def test_another_process_can_command_it(dotdigital: DotdigitalCaller) -> None:
    def command(name: str, /, **arguments: Any) -> Any:
        answer = requests.post(f"{dotdigital.sandbox.url}/_sandbox/dotdigital/{name}", json=arguments, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    command("account", account="other", user="u", password="p", settings={"region": "r3"})
    target = command("create-list", account="other", name="Readers", visibility="Public")["id"]
    command("create-segment", account="other", name="Big spenders")
    [ann] = command("seed", account="other", contacts=[{"email": ANN, "lists": [target]}])["ids"]
    assert command("members", account="other", list=target) == [{"id": ann, "email": ANN, "mobileNumber": None}]
    command("leave-list", account="other", address=ANN, list_id=target)
    assert command("members", account="other", list=target) == []
    command("come-back", account="other", address=ANN, list_id=target)
    command("opt-out", account="other", address=ANN)
    assert [change["after"] for change in command("audit", account="other")] == ["suppressed", "unsubscribed"]
    assert command("switches", account="other", unfinished_polls=3)["unfinished_polls"] == 3
    command("finish-jobs", account="other")
    state = command("state", account="other")
    assert state["lists"] == [{"id": target, "name": "Readers", "visibility": "Public", "members": 0}]


def test_two_vendors_share_one_sandbox() -> None:
    klaviyo, vendor = KlaviyoSandbox(), DotdigitalSandbox()
    klaviyo.account("demo", key="pk_demo")
    vendor.account("demo", user=USER, password=PASSWORD)
    with Sandbox([klaviyo, vendor]) as sandbox:
        path = f"{sandbox.url_of('dotdigital')}/v2/account-info"
        answer = requests.get(path, auth=(USER, PASSWORD), timeout=10).json()
        told = {each["name"]: each["value"] for each in answer["properties"]}
        assert told["ApiEndpoint"] == f"{sandbox.url_of('dotdigital')}/"

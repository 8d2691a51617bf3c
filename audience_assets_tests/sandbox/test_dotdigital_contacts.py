"""The Dotdigital twin's contacts and imports."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets_tests.sandbox.dotdigital_caller import IMPORT, DotdigitalCaller, codes, dotdigital, person

__all__ = ["dotdigital"]

ANN, BOB = "ann@example.com", "bob@example.com"


def test_an_import_is_done_when_it_says_so_and_not_before(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    job = dotdigital.start_import(person(ANN, target))
    assert dotdigital.get(f"{IMPORT}/{job}") == {"importId": job, "status": "NotFinished"}
    assert dotdigital.emails(target) == set()
    report = dotdigital.get(f"{IMPORT}/{job}")
    assert report["status"] == "Finished"
    assert report["summary"]["newContacts"] == 1
    assert dotdigital.emails(target) == {ANN}


def test_an_import_that_nobody_asks_after_ends_by_itself(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    dotdigital.start_import(person(ANN, target))
    dotdigital.clock.advance(30)
    assert dotdigital.emails(target) == set()
    dotdigital.clock.advance(31)
    assert dotdigital.emails(target) == {ANN}


def test_jobs_take_the_seconds_they_are_told_to(dotdigital: DotdigitalCaller) -> None:
    dotdigital.switches.job_seconds, dotdigital.switches.unfinished_polls = 10, 0
    job = dotdigital.start_import(person(ANN))
    assert dotdigital.get(f"{IMPORT}/{job}")["status"] == "NotFinished"
    dotdigital.clock.advance(10)
    assert dotdigital.get(f"{IMPORT}/{job}")["status"] == "Finished"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contacts": []},
        {"contacts": [person(ANN), {"matchIdentifier": "email"}]},
        {"contacts": [person(ANN), {"identifiers": {"email": BOB}}]},
        {"contacts": [person(ANN, matchIdentifier="e mail")]},
        {"contacts": [person(ANN, lists=[])]},
        {"contacts": [person(ANN, *range(101))]},
        {"contacts": [person(ANN, channelProperties={"email": {"consent": "yes"}})]},
        {"contacts": [person(ANN, channelProperties={"email": {"emailType": "Html"}})]},
        {"contacts": [person(ANN, channelProperties={"fax": {}})]},
        {"contacts": [person(ANN, consentRecords=[{"text": "I agree"}])]},
        {"contacts": [{"matchIdentifier": "contactId", "identifiers": {"contactId": "12"}}]},
        {"contacts": [person(ANN)], "mergeOption": "overwrite-if-not-empty"},
    ],
)
def test_one_bad_object_refuses_the_import(dotdigital: DotdigitalCaller, body: Any) -> None:
    answer = dotdigital.call("PUT", IMPORT, body)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "contacts:badRequest")
    dotdigital.account.finish_jobs()
    assert len(dotdigital.account.contacts) == 0


def test_a_bad_body_is_bad_json(dotdigital: DotdigitalCaller) -> None:
    answer = dotdigital.call("PUT", IMPORT, b"{")
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "contacts:badJson")


def test_bad_rows_fail_by_themselves(dotdigital: DotdigitalCaller) -> None:
    dotdigital.account.globally_suppressed.add("eve@example.com")
    dotdigital.account.suppressed_domains.add("blocked.com")
    number = {"matchIdentifier": "mobileNumber", "identifiers": {"mobileNumber": "+447400123451"}}
    nobody = {"matchIdentifier": "contactId", "identifiers": {"contactId": 1}}
    unmatched = {"matchIdentifier": "mobileNumber", "identifiers": {"email": "x@example.com"}}
    bad = ("bad@@example.com", "eve@example.com", "dan@blocked.com")
    rows = [person(ANN), *(person(email) for email in bad), person(ANN.upper()), person(BOB, 12345)]
    report = dotdigital.run_import(*rows, number, nobody, unmatched)
    assert codes(report) == {
        "bad@@example.com": "invalidEmail",
        "eve@example.com": "globallySuppressed",
        "dan@blocked.com": "suppressedByDomain",
        ANN.upper(): "duplicate",
        BOB: "invalidAddressBookIds",
        "+447400123451": "invalidPhoneNumber",
        1: "invalidContactId",
        "x@example.com": "invalidMatchIdentifier",
    }
    assert report["summary"] == {
        "newContacts": 1,
        "updatedContacts": 0,
        "globallySuppressed": 1,
        "invalidEntries": 6,
        "duplicateIdentifiers": 1,
    }


def test_a_plus_is_taken_where_the_switch_says_so(dotdigital: DotdigitalCaller) -> None:
    dotdigital.switches.take_plus_in_numbers = True
    row = {"matchIdentifier": "mobileNumber", "identifiers": {"mobileNumber": "+447400123451"}}
    assert dotdigital.run_import(row)["failures"] == []


def test_nothing_can_be_written_to_system_lists(dotdigital: DotdigitalCaller) -> None:
    test = next(each["id"] for each in dotdigital.get("/v2/address-books") if each["name"] == "Test")
    assert codes(dotdigital.run_import(person(ANN, test))) == {ANN: "invalidAddressBookIds"}
    answer = dotdigital.call("DELETE", f"/v2/address-books/{test}")
    assert (answer.status_code, answer.json()["message"][-30:]) == (400, "API. ERROR_ADDRESSBOOK_NOTWRITABLE"[-30:])


def test_writes_to_the_suppressed_succeed_and_change_no_status(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": ANN, "email_status": "unsubscribed"}])
    assert dotdigital.run_import(person(ANN, target))["failures"] == []
    assert dotdigital.emails(target) == {ANN}
    assert dotdigital.get(f"/contacts/v3/email/{ANN}")["channelProperties"]["email"]["status"] == "unsubscribed"


def test_a_status_that_is_sent_opts_in(dotdigital: DotdigitalCaller) -> None:
    dotdigital.account.add_contacts([{"email": ANN, "email_status": "unsubscribed"}])
    dotdigital.run_import(person(ANN, channelProperties={"email": {"status": "subscribed"}}))
    [change] = dotdigital.account.audit
    assert (change.before, change.after, change.origin) == ("unsubscribed", "subscribed", "import")


@pytest.mark.parametrize(("lifts", "status"), [(True, "subscribed"), (False, "suppressed")])
def test_what_adding_does_to_who_unsubscribed_is_a_switch(
    dotdigital: DotdigitalCaller, lifts: bool, status: str
) -> None:
    dotdigital.switches.add_lifts_list_opt_out = lifts
    target = dotdigital.make_list()
    dotdigital.run_import(person(ANN, target))
    answer = dotdigital.call("POST", f"/v2/address-books/{target}/contacts/unsubscribe", {"email": ANN})
    assert answer.json()["suppressedContact"]["email"] == ANN
    dotdigital.run_import(person(ANN, target))
    [membership] = dotdigital.get(f"/contacts/v3/email/{ANN}")["lists"]
    assert membership == {"id": target, "name": "Readers", "status": status}


def test_the_26th_import_waits(dotdigital: DotdigitalCaller) -> None:
    jobs = [dotdigital.start_import(person(f"p{number}@example.com")) for number in range(25)]
    refused = dotdigital.call("PUT", IMPORT, {"contacts": [person(ANN)]})
    assert (refused.status_code, refused.json()["errorCode"]) == (429, "contacts:tooManyActiveImports")
    for _ in range(2):
        dotdigital.get(f"{IMPORT}/{jobs[0]}")
    dotdigital.start_import(person(ANN))


def test_an_import_beyond_50_mb_is_refused(dotdigital: DotdigitalCaller) -> None:
    dotdigital.switches.max_import_bytes = 100
    assert dotdigital.call("PUT", IMPORT, {"contacts": [person(ANN) for _ in range(9)]}).status_code == 413


def test_imports_are_asked_after_by_their_ids(dotdigital: DotdigitalCaller) -> None:
    unknown = dotdigital.call("GET", f"{IMPORT}/00000000-0000-4000-8000-000000000000")
    assert (unknown.status_code, unknown.json()["errorCode"]) == (404, "contacts:importNotFound")
    assert dotdigital.call("GET", f"{IMPORT}/7").status_code == 400


def test_whole_imports_can_fail(dotdigital: DotdigitalCaller) -> None:
    dotdigital.account.watchdog = True
    assert dotdigital.run_import(person(ANN))["status"] == "RejectedByWatchdog"
    dotdigital.account.watchdog = False
    dotdigital.account.settings.contact_limit = 0
    assert dotdigital.run_import(person(ANN))["status"] == "ExceedsAllowedContactLimit"
    dotdigital.account.failing_jobs = 1
    assert dotdigital.run_import(person(ANN))["status"] == "Failed"


def test_one_contact_is_found_by_each_identifier(dotdigital: DotdigitalCaller) -> None:
    [contact] = dotdigital.account.add_contacts([{"email": "a+b@example.com", "mobile": "447400123451"}])
    for path in (f"contactId/{contact}", "email/A%2Bb@example.com", "mobileNumber/447400123451"):
        assert dotdigital.get(f"/contacts/v3/{path}")["contactId"] == contact
    for path, status, code in (
        ("email/nobody@example.com", 404, "contacts:contactNotFound"),
        ("email/12", 400, "contacts:invalidId"),
        ("contactId/ann", 400, "contacts:invalidId"),
    ):
        answer = dotdigital.call("GET", f"/contacts/v3/{path}")
        assert (answer.status_code, answer.json()["errorCode"]) == (status, code)


def test_a_patch_creates_from_the_bodys_identifiers_alone(dotdigital: DotdigitalCaller) -> None:
    refused = dotdigital.call("PATCH", f"/contacts/v3/email/{ANN}", {})
    assert refused.status_code == 400
    made = dotdigital.call("PATCH", f"/contacts/v3/email/{ANN}", {"identifiers": {"email": ANN}})
    assert made.status_code == 201
    again = dotdigital.call("PATCH", f"/contacts/v3/email/{ANN}", {"identifiers": {"mobileNumber": "447400123451"}})
    assert (again.status_code, again.json()["identifiers"]["mobileNumber"]) == (200, "447400123451")
    taken = dotdigital.call("POST", "/contacts/v3", {"identifiers": {"email": ANN}})
    assert (taken.status_code, taken.json()["errorCode"]) == (409, "contacts:idAlreadyExists")


def test_a_deleted_contact_comes_back_without_its_lists(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    dotdigital.run_import(person(ANN, target))
    contact = dotdigital.call("DELETE", f"/contacts/v3/email/{ANN}").json()["contactId"]
    assert dotdigital.call("GET", f"/contacts/v3/email/{ANN}").status_code == 404
    assert dotdigital.run_import(person(ANN))["updated"][0]["contactId"] == contact
    assert dotdigital.emails(target) == set()


def test_pages_are_sought_by_their_marker(dotdigital: DotdigitalCaller) -> None:
    target = dotdigital.make_list()
    ids = dotdigital.account.add_contacts([{"email": f"p{n}@example.com", "lists": [target]} for n in range(7)])
    dotdigital.account.add_contacts([{"email": ANN}])
    parameters: dict[str, Any] = {"~listId": target, "limit": 3}
    found: list[int] = []
    while True:
        page = dotdigital.get("/contacts/v3", **parameters)
        found += [each["contactId"] for each in page["_items"]]
        following = page["_links"].get("next")
        if following is None:
            break
        assert "~listId" in following["link"]
        parameters["marker"] = following["marker"]
        # Somebody who goes in between makes nobody be missed.
        dotdigital.account.bin_contact("p1@example.com")
    assert found == ids
    assert set(page["_items"][0]) == {"contactId", "status", "created", "updated", "identifiers"}


@pytest.mark.parametrize("shows", [True, False])
def test_whether_a_list_shows_who_unsubscribed_is_a_switch(dotdigital: DotdigitalCaller, shows: bool) -> None:
    dotdigital.switches.list_filter_shows_suppressed = shows
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": email, "lists": [target]} for email in (ANN, BOB)])
    dotdigital.account.leave_list(ANN, target)
    page = dotdigital.get("/contacts/v3", **{"~listId": target, "include": "lists"})
    assert [each["lists"][0]["status"] for each in page["_items"]] == (["suppressed"] if shows else []) + ["subscribed"]


def test_the_modified_are_told_from_a_second_on(dotdigital: DotdigitalCaller) -> None:
    dotdigital.account.add_contacts([{"email": ANN}, {"email": BOB}])
    dotdigital.clock.advance(60)
    dotdigital.run_import(person(ANN))
    page = dotdigital.get("/contacts/v3", **{"~modified": "gte::2026-07-15T09:01:00Z"})
    assert [each["identifiers"]["email"] for each in page["_items"]] == [ANN]


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 10_000},
        {"~modified": "2026-07-15T09:01:00Z"},
        {"~modified": "gte::2026-07-15T09:01:00Z", "~created": "gte::2026-07-15T09:01:00Z"},
        {"~listId": 1},
        {"~listId": 1, "~segmentId": 2},
        {"~contactStatuses": "subscribed"},
        {"include": "everything"},
        {"marker": "???"},
    ],
)
def test_wrong_filters_are_refused(dotdigital: DotdigitalCaller, parameters: dict[str, Any]) -> None:
    answer = dotdigital.call("GET", "/contacts/v3", **parameters)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] in ("contacts:invalidFilter", "contacts:badRequest")

"""Who enters a Dotdigital list: added, created, left out, and what is said of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from audience_assets.destinations.base import ListMissing, Member, Misconfigured, Recheck, Status
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.dotdigital_world import (
    DotdigitalWorld,
    by_email,
    by_id,
    by_phone,
    dotdigital,
    issues,
    reasons,
    statuses,
    vendor_ids,
)

__all__ = ["dotdigital"]

ANN, BOB, CID = "ann@shop-customers.com", "bob@shop-customers.com", "cid@shop-customers.com"


def test_an_import_names_one_identifier_and_the_list_and_no_status(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    dotdigital.service().add(target, [by_email("Ann@Shop-Customers.com ")])
    [sent] = dotdigital.calls("import_contacts")
    contact = {"matchIdentifier": "email", "identifiers": {"email": ANN}, "lists": [int(target.id)]}
    assert sent == {"mergeOption": "overwriteIfNotEmpty", "contacts": [contact]}


def test_the_unknown_are_created_and_the_ids_of_all_are_kept(dotdigital: DotdigitalWorld) -> None:
    [known] = dotdigital.account.add_contacts([{"email": ANN}])
    target = dotdigital.make_list()
    report = dotdigital.service().add(target, [by_email(ANN), by_email(BOB)])
    made = dotdigital.account.find(BOB)
    assert made is not None
    assert vendor_ids(report) == {ANN: str(known), BOB: str(made.id)}
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    assert dotdigital.emails(target) == {ANN, BOB}


def test_numbers_are_written_as_digits_and_read_by_their_region(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    members = [by_phone("+44 7400 123451"), by_phone("07400 123452"), by_phone("12345")]
    report = dotdigital.service(identifier="phone", default_region="GB").add(target, members)
    assert dotdigital.numbers(target) == {"447400123451", "447400123452"}
    assert reasons(report) == {"12345": ["invalid_phone"]}


def test_what_can_not_be_sent_is_told_before(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    twice = Member("ann2", {"email": ANN.upper()})
    bad, empty = Member("bad", {"email": "no address"}), Member("none", {"email": None})
    report = dotdigital.service().add(target, [by_email(ANN), twice, bad, empty])
    assert reasons(report) == {"ann2": ["duplicate_address"], "bad": ["invalid_email"], "none": ["no_email"]}
    assert statuses(report)[ANN] is Status.ACCEPTED
    assert len(dotdigital.calls("import_contacts")[0]["contacts"]) == 1
    told = " ".join(str(issue) for found in issues(report).values() for issue in found)
    assert "no address" not in told
    assert ANN not in told


def test_contact_ids_never_create(dotdigital: DotdigitalWorld) -> None:
    [known] = dotdigital.account.add_contacts([{"email": ANN}])
    target = dotdigital.make_list()
    members = [by_id(known), by_id(known + 7), by_id("12x"), by_id(2**31), by_id(f"{known}0" * 9)]
    report = dotdigital.service(identifier="contact_id").add(target, members)
    found = statuses(report)
    assert found[str(known)] is Status.ACCEPTED
    assert found[str(known + 7)] is Status.ABSENT
    assert [found[member.identifier] for member in members[2:]] == [Status.REJECTED] * 3
    assert {reason for each in reasons(report).values() for reason in each} == {"invalid_contact_id"}
    assert len(dotdigital.account.contacts) == 1


@pytest.mark.parametrize("pascal", [True, False])
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("invalidEmail", "invalid_email"),
        ("invalidDomain", "invalid_email"),
        ("duplicateIdentifier", "duplicate_address"),
        ("globallySuppressed", "globally_suppressed"),
        ("suppressedByDomain", "suppressed_domain"),
        ("blocker", "blocked_by_vendor"),
        ("apiSchemaViolation", "refused_by_vendor"),
    ],
)
def test_a_failure_is_its_rows_rejection(dotdigital: DotdigitalWorld, code: str, reason: str, pascal: bool) -> None:
    dotdigital.switches.failure_codes_in_pascal = pascal
    dotdigital.account.import_failures[ANN] = code
    target = dotdigital.make_list()
    report = dotdigital.service().add(target, [by_email(ANN), by_email(BOB)])
    assert statuses(report) == {ANN: Status.REJECTED, BOB: Status.ACCEPTED}
    [issue] = issues(report)[ANN]
    assert (issue.reason, issue.recheck) == (reason, Recheck.WHEN_CHANGED)
    assert ANN not in str(issue.detail)
    assert dotdigital.emails(target) == {BOB}


def test_a_list_that_only_the_report_misses_is_missing(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    dotdigital.account.import_failures[ANN] = "invalidAddressBookIds"
    with pytest.raises(ListMissing):
        dotdigital.service().add(target, [by_email(ANN)])


@pytest.mark.parametrize("lifts", [True, False])
@pytest.mark.parametrize("kind", ["email", "phone", "contact_id"])
def test_who_unsubscribed_from_the_list_is_not_put_back(dotdigital: DotdigitalWorld, kind: str, lifts: bool) -> None:
    dotdigital.switches.add_lifts_list_opt_out = lifts
    target = dotdigital.make_list()
    rows = [{"email": email, "mobile": f"44740012345{n}"} for n, email in enumerate((ANN, BOB))]
    ids = dotdigital.account.add_contacts([{**row, "lists": [int(target.id)]} for row in rows])
    dotdigital.account.leave_list(ANN, target.id)
    makers: dict[str, Any] = {
        "email": [by_email(ANN), by_email(BOB)],
        "phone": [by_phone("+447400123450"), by_phone("+447400123451")],
        "contact_id": [by_id(ids[0]), by_id(ids[1])],
    }
    left, stays = makers[kind]
    report = dotdigital.service(identifier=kind).add(target, [left, stays])
    assert reasons(report) == {left.identifier: ["list_opt_out"]}
    assert statuses(report) == {left.identifier: Status.REJECTED, stays.identifier: Status.ACCEPTED}
    assert dotdigital.emails(target) == {BOB}
    assert all(change.origin == "person" for change in dotdigital.account.audit)


def test_who_came_back_to_the_list_is_in_it(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": ANN, "lists": [int(target.id)]}])
    dotdigital.account.leave_list(ANN, target.id)
    service = dotdigital.service()
    assert statuses(service.add(target, [by_email(ANN)])) == {ANN: Status.REJECTED}
    dotdigital.account.come_back(ANN, target.id)
    assert statuses(service.add(target, [by_email(ANN)])) == {ANN: Status.ACCEPTED}


def test_people_who_unsubscribe_during_a_long_sync_are_noticed(dotdigital: DotdigitalWorld) -> None:
    dotdigital.switches.add_lifts_list_opt_out = True
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": ANN, "lists": [int(target.id)]}])
    service = dotdigital.service()
    service.add(target, [by_email(BOB)])
    dotdigital.account.leave_list(ANN, target.id)
    dotdigital.clock.advance(300)
    assert reasons(service.add(target, [by_email(ANN)])) == {ANN: ["list_opt_out"]}


@pytest.mark.parametrize(
    ("status", "reason"),
    [("unsubscribed", "vendor_opt_out"), ("suppressed", "unreachable"), ("hardBounced", "unreachable")],
)
def test_who_can_not_be_reached_is_added_and_told_apart(dotdigital: DotdigitalWorld, status: str, reason: str) -> None:
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": ANN, "email_status": status}])
    report = dotdigital.service().add(target, [by_email(ANN), by_email(BOB)])
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    [issue] = issues(report)[ANN]
    assert (issue.reason, issue.channel) == (reason, "email")
    assert BOB not in issues(report)
    assert dotdigital.status(ANN) == status
    assert dotdigital.emails(target) == {ANN, BOB}
    assert dotdigital.account.audit == []


def test_texts_have_an_opt_out_of_their_own(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    numbers = ("447400123451", "447400123452")
    dotdigital.account.add_contacts([{"email": ANN, "mobile": numbers[0], "sms_status": "unsubscribed"}])
    dotdigital.account.add_contacts([{"email": BOB, "mobile": numbers[1], "email_status": "unsubscribed"}])
    report = dotdigital.service(identifier="phone").add(target, [by_phone(f"+{number}") for number in numbers])
    [issue] = issues(report)[f"+{numbers[0]}"]
    assert (issue.reason, issue.channel) == ("vendor_opt_out", "sms")
    assert f"+{numbers[1]}" not in issues(report)


def test_nothing_is_read_where_nobody_wants_to_know(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.add_contacts([{"email": ANN, "email_status": "suppressed"}])
    report = dotdigital.service(tell_unreachable=False).add(dotdigital.make_list(), [by_email(ANN)])
    assert issues(report) == {}
    assert dotdigital.calls("get_contacts") == []


def test_the_unreachable_are_read_once_for_several_batches(dotdigital: DotdigitalWorld) -> None:
    target, service = dotdigital.make_list(), dotdigital.service()
    for start in range(0, 300, 100):
        dotdigital.clock.advance(1)
        service.add(target, [by_email(f"person{number}@example.com") for number in range(start, start + 100)])
    read = [entry.rows for entry in dotdigital.sandbox.requests if entry.endpoint == "get_contacts"]
    # Those of the same second are read again.
    assert read == [100, 200, 200]


def test_who_can_not_be_read_is_still_added(dotdigital: DotdigitalWorld, caplog: pytest.LogCaptureFixture) -> None:
    dotdigital.sandbox.faults.add(Fault(Action.ERROR_BEFORE, "get_contacts"))
    report = dotdigital.service().add(dotdigital.make_list(), [by_email(ANN)])
    assert statuses(report) == {ANN: Status.ACCEPTED}
    assert "could not be read" in caplog.text
    assert ANN not in caplog.text


@pytest.mark.parametrize("touches", [True, False])
@pytest.mark.parametrize("reports", [True, False])
def test_members_who_are_added_again_stay_accepted(dotdigital: DotdigitalWorld, reports: bool, touches: bool) -> None:
    dotdigital.switches.import_reports_unchanged = reports
    dotdigital.switches.import_touches_unchanged = touches
    target = dotdigital.make_list()
    [known] = dotdigital.account.add_contacts([{"email": ANN, "lists": [int(target.id)]}])
    report = dotdigital.service().add(target, [by_email(ANN)])
    assert vendor_ids(report) == {ANN: str(known)}
    assert statuses(report) == {ANN: Status.ACCEPTED}


def test_many_rows_that_no_report_names_are_decided_anew(dotdigital: DotdigitalWorld) -> None:
    dotdigital.sandbox.faults.add(Fault(Action.NOT_APPLIED, "import_contacts"))
    members = [by_email(f"person{number}@example.com") for number in range(51)]
    target, service = dotdigital.make_list(), dotdigital.service()
    assert set(statuses(service.add(target, members)).values()) == {Status.RETRY}
    looked_up = len(dotdigital.calls("get_contact"))
    assert 10 <= looked_up < 20, "a sample"
    assert set(statuses(service.add(target, members[:50])).values()) == {Status.RETRY}
    assert len(dotdigital.calls("get_contact")) == looked_up + 50


def test_a_list_that_is_full_already_is_adopted(dotdigital: DotdigitalWorld) -> None:
    """A report may leave out whom an import changes nothing of, which is everybody here."""
    dotdigital.switches.import_reports_unchanged = False
    members = [by_email(f"person{number}@example.com") for number in range(300)]
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": m.identifier, "lists": [int(target.id)]} for m in members])
    assert set(statuses(dotdigital.service().add(target, members)).values()) == {Status.ACCEPTED}
    assert len(dotdigital.calls("get_contact")) < 20


def test_who_fails_among_many_that_no_report_names_is_told(dotdigital: DotdigitalWorld) -> None:
    dotdigital.switches.import_reports_unchanged = False
    members = [by_email(f"person{number}@example.com") for number in range(300)]
    target = dotdigital.make_list()
    dotdigital.account.add_contacts([{"email": m.identifier, "lists": [int(target.id)]} for m in members])
    dotdigital.account.import_failures["person7@example.com"] = "globallySuppressed"
    report = dotdigital.service().add(target, members)
    assert reasons(report) == {"person7@example.com": ["globally_suppressed"]}


def test_what_the_watchdog_refuses_is_not_sent_again(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.watchdog = True
    report = dotdigital.service().add(dotdigital.make_list(), [by_email(ANN), by_email(BOB)])
    assert reasons(report) == {ANN: ["rejected_by_watchdog"], BOB: ["rejected_by_watchdog"]}
    assert len(dotdigital.calls("import_contacts")) == 1
    assert {issue.recheck for found in issues(report).values() for issue in found} == {Recheck.WHEN_CHANGED}


def test_a_failed_import_decides_nothing(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.failing_jobs = 1
    target, service = dotdigital.make_list(), dotdigital.service()
    assert statuses(service.add(target, [by_email(ANN)])) == {ANN: Status.RETRY}
    assert statuses(service.add(target, [by_email(ANN)])) == {ANN: Status.ACCEPTED}


def test_an_import_that_nobody_knows_any_more_decides_nothing(dotdigital: DotdigitalWorld) -> None:
    def forget(_: object) -> None:
        dotdigital.account.forget_jobs()

    dotdigital.sandbox.faults.add(Fault(Action.HOOK_BEFORE, "get_import", hook=forget, times=1))
    report = dotdigital.service().add(dotdigital.make_list(), [by_email(ANN)])
    assert statuses(report) == {ANN: Status.RETRY}


def test_a_job_without_end_is_left_alone(dotdigital: DotdigitalWorld) -> None:
    dotdigital.switches.unfinished_polls = 10**9
    report = dotdigital.service(settings={"job_patience_seconds": 0.05}).add(dotdigital.make_list(), [by_email(ANN)])
    assert statuses(report) == {ANN: Status.RETRY}


def test_a_full_account_stops_the_sync(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.settings.contact_limit = 1
    with pytest.raises(Misconfigured, match="allowance"):
        dotdigital.service().add(dotdigital.make_list(), [by_email(ANN), by_email(BOB)])


def test_an_import_that_is_too_large_is_halved(dotdigital: DotdigitalWorld) -> None:
    dotdigital.switches.max_import_bytes = 500
    target = dotdigital.make_list()
    members = [by_email(f"person{number}@example.com") for number in range(20)]
    report = dotdigital.service().add(target, members)
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    assert len(dotdigital.emails(target)) == 20


def test_batches_are_as_large_as_the_settings_say(dotdigital: DotdigitalWorld) -> None:
    members = [by_email(f"person{number}@example.com") for number in range(25)]
    dotdigital.service(settings={"batch_size": 10}).add(dotdigital.make_list(), members)
    assert [len(sent["contacts"]) for sent in dotdigital.calls("import_contacts")] == [10, 10, 5]


def test_an_import_waits_for_one_of_the_accounts_25(dotdigital: DotdigitalWorld) -> None:
    rows = [{"matchIdentifier": "email", "identifiers": {"email": BOB}}]
    for _ in range(25):
        dotdigital.account.start_import(list(rows), applied=True)
    before = dotdigital.clock.now()
    report = dotdigital.service().add(dotdigital.make_list(), [by_email(ANN)])
    assert statuses(report) == {ANN: Status.ACCEPTED}
    assert dotdigital.clock.now() - before >= 60
    refused = [entry for entry in dotdigital.sandbox.requests if entry.status == 429]
    assert 2 <= len(refused) <= 3
    assert b"tooManyActiveImports" in (refused[0].answer or b"")


def test_no_more_imports_are_at_work_than_the_settings_allow(dotdigital: DotdigitalWorld) -> None:
    dotdigital.switches.unfinished_polls = 3
    at_work: list[int] = []

    def look(_: object) -> None:
        at_work.append(len(dotdigital.account.open_jobs("import")))

    dotdigital.sandbox.faults.add(Fault(Action.HOOK_AFTER, "import_contacts", hook=look))
    target, service = dotdigital.make_list(), dotdigital.service(settings={"imports_in_flight": 2})
    with ThreadPoolExecutor(8) as pool:
        batches = [[by_email(f"person{number}@example.com")] for number in range(16)]
        reports = list(pool.map(lambda members: service.add(target, members), batches))
    assert all(set(statuses(report).values()) == {Status.ACCEPTED} for report in reports)
    assert max(at_work) <= 2


def test_a_contact_that_leaves_under_another_spelling_is_decided_anew(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    service = dotdigital.service(identifier="phone", default_region="GB")
    report = service.add(target, [by_phone("+447400123451")])
    service.remove(target, [by_phone("+447400123451", vendor_ids(report)["+447400123451"])])
    again = service.add(target, [by_phone("07400 123451")])
    assert statuses(again) == {"07400 123451": Status.RETRY}
    following = dotdigital.service(identifier="phone", default_region="GB")
    assert statuses(following.add(target, [by_phone("07400 123451")])) == {"07400 123451": Status.ACCEPTED}
    assert dotdigital.numbers(target) == {"447400123451"}


def test_a_number_that_means_another_contact_is_moved(dotdigital: DotdigitalWorld) -> None:
    target, service = dotdigital.make_list(), dotdigital.service(identifier="phone")
    member = Member("7400123451", {"phone": "7400123451", "region": "GB"})
    added = service.add(target, [member])
    changed = Member("7400123451", {"phone": "7400123451", "region": "IN"}, vendor_ids(added)["7400123451"])
    changed.previous = dict(member.values)
    report = dotdigital.service(identifier="phone").update(target, [changed])
    assert statuses(report) == {"7400123451": Status.ACCEPTED}
    assert dotdigital.numbers(target) == {"917400123451"}
    assert vendor_ids(report) != vendor_ids(added)


def test_an_update_is_another_try(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.make_list()
    member = by_email(ANN)
    member.previous = dict(member.values)
    assert statuses(dotdigital.service().update(target, [member])) == {ANN: Status.ACCEPTED}
    assert dotdigital.calls("remove_contacts") == []


def test_somebody_from_the_recycle_bin_is_back(dotdigital: DotdigitalWorld) -> None:
    other = dotdigital.make_list("Another list")
    [known] = dotdigital.account.add_contacts([{"email": ANN, "lists": [int(other.id)]}])
    dotdigital.account.bin_contact(ANN)
    target = dotdigital.make_list()
    assert vendor_ids(dotdigital.service().add(target, [by_email(ANN)])) == {ANN: str(known)}
    assert dotdigital.emails(target) == {ANN}
    assert dotdigital.emails(other) == set()

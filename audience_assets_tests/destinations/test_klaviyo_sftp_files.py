"""What is in the files, how many there are, and what Klaviyo's twin makes of them."""

from __future__ import annotations

import random
import re
import threading
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from audience_assets.destinations.base import Mapped, Member, Status
from audience_assets.destinations.klaviyo.sftp_rows import cell
from audience_assets_tests.destinations.klaviyo_sftp_world import (
    LIST_NAME,
    SftpWorld,
    delivered,
    people,
    person,
    sftp,
)

__all__ = ["sftp"]

ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"
PHONE, OTHER_PHONE = "+12025550123", "+12025550188"
AWKWARD = ['=LINK("x","y")', "+1-2", "-3", "@me", 'say "hi"', "a,b", "two\r\nlines", "tab\there", "Žofie 🌱", " x "]


def test_a_file_is_as_klaviyo_wants_it(sftp: SftpWorld) -> None:
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    members = [person("Ann@Example.com", "+447400123451", "C-1", "gold"), person(None, None, "C-2")]
    report = delivered(service, service.add(target, members))
    assert (report.calls, report.outcomes) == (3, []), "the file, and a look at whose the number and the id are"
    [name] = sftp.names()
    assert re.fullmatch(r"spring_readers-20260715T\d{6}-[0-9a-f]{8}-001\.csv", name)
    assert (
        sftp.content(name)
        == (
            "Email,PhoneNumber,ExternalID,List ID,tier\r\n"
            f"ann@example.com,+447400123451,C-1,{target.id},gold\r\n"
            f",,C-2,{target.id},\r\n"
        ).encode()
    )
    [result] = sftp.results()
    assert (result.rows, result.created, result.updated, result.failed) == (2, 2, 0, 0)
    ann = sftp.account.find("ann@example.com")
    assert ann is not None
    assert (ann.phone_number, ann.external_id, ann.attributes) == (
        "+447400123451",
        "C-1",
        {"properties": {"tier": "gold"}},
    )
    assert sftp.emails(target.id) == {"ann@example.com", None}


def test_nobody_s_consent_changes(sftp: SftpWorld) -> None:
    sftp.account.add_profiles([{"email": "person0@example.com"}, {"email": "person1@example.com"}])
    sftp.account.opt_out("person0@example.com")
    sftp.account.opt_in("person1@example.com")
    before = len(sftp.account.audit)
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    delivered(service, service.add(target, people(3)))
    assert len(sftp.emails(target.id)) == 3
    assert len(sftp.account.audit) == before


def test_somebody_elses_number_never_gives_their_profile_another_address(sftp: SftpWorld) -> None:
    """Klaviyo would find Bob's profile by it: Ann would get mail on Bob's consent."""
    sftp.account.add_profiles(
        [{"email": BOB, "phone_number": PHONE, "external_id": "B-1", "consents": {"email": "SUBSCRIBED"}}]
    )
    service = sftp.service()
    members = [person(ANN, PHONE, "A-1"), person(CID, OTHER_PHONE, "B-1"), person("Bob@example.com", PHONE, "B-1")]
    report = delivered(service, service.add(service.ensure_list(LIST_NAME), members))
    told = {each.identifier: [(issue.channel, issue.reason) for issue in each.issues] for each in report.outcomes}
    assert told == {ANN: [("phone", "identifier_conflict")], CID: [("external_id", "identifier_conflict")]}
    assert {each.status for each in report.outcomes} == {Status.ACCEPTED}
    assert sum(result.failed for result in sftp.results()) == 0
    consents = {email: sftp.account.consent(email, "email") for email in (ANN, BOB, CID)}
    assert {email: found.status for email, found in consents.items() if found} == {
        ANN: "NEVER_SUBSCRIBED",
        BOB: "SUBSCRIBED",
        CID: "NEVER_SUBSCRIBED",
    }


def test_a_number_of_two_rows_goes_with_the_first(sftp: SftpWorld) -> None:
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    reports = [service.add(target, [person(each, PHONE)]) for each in (ANN, BOB)]
    service.flush()
    assert reports[0].outcomes == []
    [outcome] = reports[1].outcomes
    assert [(issue.channel, issue.reason) for issue in outcome.issues] == [("phone", "duplicate_phone")]
    assert sftp.emails(target.id) == {ANN, BOB}


def test_who_is_sure_needs_no_look(sftp: SftpWorld) -> None:
    service = sftp.service(unchecked_identifiers=True)
    report = delivered(service, service.add(service.ensure_list(LIST_NAME), [person(ANN, PHONE)]))
    assert (report.calls, report.outcomes) == (1, [])
    assert sftp.calls("get_profiles") == 0


@pytest.mark.parametrize("value", AWKWARD)
def test_awkward_values_arrive_as_they_are(sftp: SftpWorld, value: str) -> None:
    """Klaviyo reads the file and no spreadsheet does, so nothing is put before what looks like a formula."""
    service = sftp.service(mapped=Mapped({"email": "text"}, {"tier": "text", f"about {value}".strip(): "text"}))
    target = service.ensure_list(LIST_NAME)
    member = person("ann@example.com", tier=value)
    member.values[f"about {value}".strip()] = value
    delivered(service, service.add(target, [member]))
    assert sftp.results()[0].failed == 0
    ann = sftp.account.find("ann@example.com")
    assert ann is not None
    assert ann.attributes == {"properties": {"tier": value, f"about {value}".strip(): value}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (3, "3"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00Z"),
        (datetime(2026, 1, 31, 12), "2026-01-31T12:00:00Z"),
        (["a", "b"], '["a","b"]'),
    ],
)
def test_values_are_text(value: Any, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize("value", [float("nan"), Decimal("Infinity"), [2**70]])
def test_a_value_without_a_text_is_an_empty_cell_and_told(sftp: SftpWorld, value: Any) -> None:
    service = sftp.service()
    report = delivered(service, service.add(service.ensure_list(LIST_NAME), [person("ann@example.com", tier=value)]))
    [outcome] = report.outcomes
    assert outcome.status is Status.ACCEPTED
    assert [(issue.channel, issue.reason) for issue in outcome.issues] == [("tier", "unusable_value")]
    [name] = sftp.names()
    assert [row["tier"] for row in sftp.rows(name)] == [""]


def test_what_identifies_nobody_is_refused_and_the_rest_goes(sftp: SftpWorld) -> None:
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    members = [
        person("no address"),
        person("bob@example.com", "12"),
        person("no address either", None, "C-3"),
        person(None, None, "x" * 256),
        person("cid@example.com"),
    ]
    report = delivered(service, service.add(target, members))
    told = {o.identifier: (o.status, [(i.channel, i.reason) for i in o.issues]) for o in report.outcomes}
    assert told == {
        "no address": (Status.REJECTED, [("email", "invalid_email")]),
        "bob@example.com": (Status.ACCEPTED, [("phone", "invalid_phone")]),
        "no address either": (Status.ACCEPTED, [("email", "invalid_email")]),
        "x" * 256: (Status.REJECTED, [("external_id", "external_id_too_long")]),
    }
    assert sftp.emails(target.id) == {"bob@example.com", "cid@example.com", None}


def test_a_batch_of_nobody_makes_no_file(sftp: SftpWorld) -> None:
    service = sftp.service()
    report = delivered(service, service.add(service.ensure_list(LIST_NAME), [person("no address")]))
    assert (report.calls, report.delivery, sftp.names()) == (0, None, [])


def test_headers_can_be_spelled_otherwise(sftp: SftpWorld) -> None:
    headers = {"external_id": "External ID", "first_name": "First Name"}
    mapped = Mapped({"email": "text", "external_id": "text"}, {"first_name": "text", "last_name": "text"})
    service = sftp.service(settings={"sftp_headers": headers}, mapped=mapped)
    delivered(service, service.add(service.ensure_list(LIST_NAME), people(1)))
    header = sftp.content(sftp.names()[0]).split(b"\r\n")[0]
    assert header == b"Email,External ID,List ID,First Name,LastName"


def batches_of(count: int, size: int) -> list[list[Member]]:
    everybody = people(count)
    return [everybody[start : start + size] for start in range(0, count, size)]


def test_many_batches_are_one_file(sftp: SftpWorld) -> None:
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    deliveries = {service.add(target, batch).delivery for batch in batches_of(300, 20)}
    assert sftp.names() == [], "nothing is there before it is whole"
    assert service.flush() == 1
    assert [delivery.done() for delivery in deliveries if delivery] == [True]
    assert len(sftp.names()) == 1
    assert len(sftp.emails(target.id)) == 300


def test_a_large_load_is_several_files_below_the_limit(sftp: SftpWorld) -> None:
    service = sftp.service(settings={"sftp_part_bytes": 3_000})
    target = service.ensure_list(LIST_NAME)
    reports = [service.add(target, batch) for batch in batches_of(300, 20)]
    calls = sum(report.calls for report in reports) + service.flush()
    assert all(report.delivery is not None and report.delivery.done() for report in reports)
    assert calls == len(sftp.names()) > 3
    assert [name[-7:] for name in sftp.names()][:3] == ["001.csv", "002.csv", "003.csv"]
    assert max(len(sftp.content(name)) for name in sftp.names()) <= 3_000
    written = [row["Email"] for name in sftp.names() for row in sftp.rows(name)]
    assert sorted(written) == sorted(member.identifier for member in people(300))
    assert len(sftp.emails(target.id)) == 300


def test_a_batch_larger_than_a_file_goes_into_files_of_its_own(sftp: SftpWorld) -> None:
    service = sftp.service(settings={"sftp_part_bytes": 2_000})
    target = service.ensure_list(LIST_NAME)
    first = service.add(target, people(5))
    large = service.add(target, people(100))
    assert large.delivery is not None
    assert large.delivery.done(), "it waited for nobody"
    service.flush()
    assert first.delivery is not None
    assert first.delivery.done()
    assert all(len(sftp.content(name)) <= 2_000 for name in sftp.names())
    assert len(sftp.emails(target.id)) == 100


def test_batches_of_many_threads_are_whole_and_once(sftp: SftpWorld) -> None:
    service = sftp.service(settings={"sftp_part_bytes": 4_000})
    target = service.ensure_list(LIST_NAME)
    batches = batches_of(400, 10)
    random.Random(1).shuffle(batches)
    threads = [
        threading.Thread(target=lambda part: [service.add(target, batch) for batch in part], args=(batches[n::4],))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    service.flush()
    written = [row["Email"] for name in sftp.names() for row in sftp.rows(name)]
    assert sorted(written) == sorted(member.identifier for batch in batches for member in batch)


def test_a_large_file_takes_no_memory(sftp: SftpWorld) -> None:
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    sftp.account.switches.sftp_ingest_delay = 1e9
    batch = [person(f"person{number}@example.com", tier="x" * 8_000) for number in range(100)]
    tracemalloc.start()
    try:
        for _ in range(15):
            service.add(target, batch)
        service.flush()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(sftp.content(sftp.names()[0])) > 12_000_000
    assert peak < 6_000_000, "a batch and what is on the wire, but not the file"


@pytest.mark.parametrize("identifier", [ANN, PHONE, "C-1"])
def test_who_leaves_may_be_known_by_what_is_not_mapped_any_more(sftp: SftpWorld, identifier: str) -> None:
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    delivered(service, service.add(target, [person(ANN, PHONE, "C-1"), person(BOB)]))
    assert sftp.emails(target.id) == {ANN, BOB}
    assert sftp.service().remove(target, [Member(identifier, {"tier": None})]).outcomes == []
    assert sftp.emails(target.id) == {BOB}

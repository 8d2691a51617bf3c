"""Entering a Klaviyo audience list: profiles made and changed by imports, and nobody's consent."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from audience_assets.destinations.base import BadRow, ListRef, Member, Misconfigured, Recheck, Status, Unavailable
from audience_assets.destinations.klaviyo.import_rows import ImportRow
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.klaviyo_world import KlaviyoWorld, email_member, issues, klaviyo, statuses

__all__ = ["klaviyo"]

ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"
PHONE, OTHER_PHONE = "+12025550123", "+12025550188"
IMPORT = "bulk_import_profiles"
ALL = ("email", "phone", "external_id")


def reasons(report: Any) -> dict[str, list[tuple[str | None, str]]]:
    return {name: [(each.channel, each.reason) for each in found] for name, found in issues(report).items()}


def rows(klaviyo: KlaviyoWorld) -> list[list[dict[str, Any]]]:
    """The attributes of every import so far."""
    return [
        [row["attributes"] for row in body["data"]["attributes"]["profiles"]["data"]] for body in klaviyo.calls(IMPORT)
    ]


def held(klaviyo: KlaviyoWorld, address: str) -> dict[str, Any]:
    klaviyo.account.finish_jobs()
    found = klaviyo.account.find(address)
    assert found is not None
    return dict(found.attributes or {})


def update(member: Member, **previous: Any) -> Member:
    """A member who stays; `previous` is what was acknowledged where it differs."""
    member.previous = {**member.values, **previous}
    return member


# -- who ---------------------------------------------------------------------------------------------------------------


def test_people_are_made_and_found_and_consent_is_as_it_was(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list("double_opt_in")
    klaviyo.seed({"email": ANN, "consents": {"email": "SUBSCRIBED"}}, {"email": BOB})
    klaviyo.account.opt_out(BOB)
    before = klaviyo.account.audit
    report = klaviyo.audience_list().add(target, [email_member(each) for each in (ANN, BOB, CID)])
    assert report.outcomes == []
    assert klaviyo.emails(target) == {ANN, BOB, CID}
    assert (klaviyo.status(ANN), klaviyo.status(BOB)) == ("SUBSCRIBED", "UNSUBSCRIBED")
    assert klaviyo.account.audit == before
    [body] = klaviyo.calls(IMPORT)
    assert body["data"]["relationships"] == {"lists": {"data": [{"type": "list", "id": target.id}]}}


def test_unusable_and_repeated_addresses_are_rejected_here(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    twins = [Member("1", {"email": ANN}), Member("2", {"email": "ANN@example.com"})]
    report = klaviyo.audience_list().add(target, [*twins, Member("3", {"email": "ann@"}), Member("4", {"email": None})])
    assert reasons(report) == {
        "2": [(None, "duplicate_address")],
        "3": [(None, "invalid_email")],
        "4": [(None, "no_email")],
    }
    assert rows(klaviyo) == [[{"email": ANN}]]


# -- further identifiers -----------------------------------------------------------------------------------------------


def test_further_identifiers_follow_in_an_import_into_no_list(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    service = klaviyo.audience_list(identifiers=ALL, fields={"tier": "text"}, default_region="US")
    members = [email_member(ANN, phone="(202) 555-0123", external_id=" c-1 ", tier="gold"), email_member(BOB)]
    assert service.add(target, members).outcomes == []
    assert rows(klaviyo) == [
        [{"email": ANN, "properties": {"tier": "gold"}}, {"email": BOB}],
        [{"email": ANN, "phone_number": PHONE, "external_id": "c-1"}],
    ]
    assert "relationships" not in klaviyo.calls(IMPORT)[1]["data"]
    found = klaviyo.account.find("c-1")
    assert found is not None
    assert (found.email, found.phone_number) == (ANN, PHONE)


@pytest.mark.parametrize("conflict_fails", [True, False])
def test_somebody_elses_number_never_gives_their_profile_another_address(
    klaviyo: KlaviyoWorld, conflict_fails: bool
) -> None:
    """Sent together, the number would find Bob's profile: Ann would get mail on Bob's consent."""
    klaviyo.account.switches.import_conflict_fails = conflict_fails
    klaviyo.seed({"email": BOB, "phone_number": PHONE, "consents": {"email": "SUBSCRIBED"}})
    target = klaviyo.make_list()
    report = klaviyo.audience_list(identifiers=ALL).add(target, [email_member(ANN, phone=PHONE, external_id="c-1")])
    assert statuses(report).get(ANN, Status.ACCEPTED) is Status.ACCEPTED
    assert klaviyo.emails(target) == {ANN}
    assert (klaviyo.status(ANN), klaviyo.status(BOB)) == ("NEVER_SUBSCRIBED", "SUBSCRIBED")
    bob, ann = klaviyo.account.find(BOB), klaviyo.account.find(ANN)
    assert bob is not None
    assert ann is not None
    assert (bob.phone_number, ann.phone_number, ann.external_id) == (PHONE, None, "c-1")
    if conflict_fails:
        assert reasons(report) == {ANN: [("phone", "identifier_conflict")]}


def test_identifiers_that_can_not_be_are_told_and_do_not_keep_out(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    members = [
        email_member(ANN, phone="12", external_id="x" * 256),
        email_member(BOB, phone=PHONE),
        email_member(CID, phone=PHONE, external_id="c-3"),
    ]
    report = klaviyo.audience_list(identifiers=ALL).add(target, members)
    assert reasons(report) == {
        ANN: [("phone", "invalid_phone"), ("external_id", "invalid_external_id")],
        CID: [("phone", "duplicate_phone")],
    }
    assert set(statuses(report).values()) == {Status.ACCEPTED}
    assert klaviyo.emails(target) == {ANN, BOB, CID}


def test_a_refusal_that_points_nowhere_is_bisected(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, IMPORT, calls=(2,), status=400))
    members = [email_member(ANN, phone=PHONE), email_member(BOB, phone=OTHER_PHONE)]
    assert klaviyo.audience_list(identifiers=ALL).add(target, members).outcomes == []
    found = klaviyo.account.find(OTHER_PHONE)
    assert found is not None
    assert found.email == BOB


def test_an_address_that_klaviyo_refuses_at_once_is_rejected_alone(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    foreign = "ann@example.рф"
    report = klaviyo.audience_list().add(target, [email_member(foreign), email_member(BOB)])
    assert reasons(report) == {foreign: [(None, "invalid_email")]}
    assert klaviyo.emails(target) == {BOB}


# -- attributes --------------------------------------------------------------------------------------------------------

FIELDS = {"first_name": "text", "location.city": "text", "tier": "text", "orders": "integer", "spent.2026": "number"}


def test_attributes_go_where_klaviyo_has_them(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    values: dict[str, Any] = {
        "first_name": "Ann",
        "location.city": "Oslo",
        "tier": None,
        "orders": 3,
        "spent.2026": 1.5,
    }
    klaviyo.audience_list(fields=FIELDS).add(target, [email_member(ANN, **values)])
    assert rows(klaviyo) == [
        [
            {
                "email": ANN,
                "first_name": "Ann",
                "location": {"city": "Oslo"},
                "properties": {"orders": 3, "spent.2026": 1.5},
            }
        ]
    ]


def test_an_update_names_no_list_and_carries_what_changed(klaviyo: KlaviyoWorld) -> None:
    """Who was taken off the list by hand stays off it."""
    target = klaviyo.make_list()
    klaviyo.seed({"email": ANN})
    member = update(
        email_member(ANN, first_name="Anna", tier="gold", phone=PHONE), first_name="Ann", phone="202-555-0123"
    )
    service = klaviyo.audience_list(identifiers=ALL, fields=FIELDS, default_region="US")
    assert service.update(target, [member, update(email_member(BOB))]).outcomes == []
    assert rows(klaviyo) == [[{"email": ANN, "first_name": "Anna"}]]
    assert klaviyo.emails(target) == set()


@pytest.mark.parametrize("import_nulls", ["ignored", "clear"])
def test_what_became_empty_is_cleared(klaviyo: KlaviyoWorld, import_nulls: str) -> None:
    klaviyo.account.switches.import_null_clears = import_nulls == "clear"
    target = klaviyo.make_list()
    service = klaviyo.audience_list(fields=FIELDS, settings={"import_nulls": import_nulls})
    full: dict[str, Any] = {"first_name": "Ann", "location.city": "Oslo", "tier": "gold", "orders": 3}
    service.add(target, [email_member(ANN, **full)])
    member = update(email_member(ANN, **{**full, "first_name": None, "location.city": None, "tier": None}), **full)
    assert service.update(target, [member]).outcomes == []
    found = held(klaviyo, ANN)
    assert (found["first_name"], found["location"], found["properties"]) == (None, {"city": None}, {"orders": 3})
    assert len(klaviyo.calls("create_or_update_profile")) == (1 if import_nulls == "ignored" else 0)


def test_empty_values_may_be_kept(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    service = klaviyo.audience_list(fields=FIELDS, nulls="keep")
    service.add(target, [email_member(ANN, first_name="Ann", tier="gold")])
    service.update(target, [update(email_member(ANN, first_name=None, tier=None), first_name="Ann", tier="gold")])
    found = held(klaviyo, ANN)
    assert (found["first_name"], found["properties"]) == ("Ann", {"tier": "gold"})


def test_attributes_that_can_not_be_sent_do_not_keep_out(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    members = [
        email_member(ANN, tier="gold", orders=float("nan")),
        email_member(BOB, tier="x" * 120_000, orders=1),
        email_member(CID, tier="gold", orders=2**70),
    ]
    report = klaviyo.audience_list(fields=FIELDS).add(target, members)
    assert reasons(report) == {
        ANN: [("orders", "unusable_value")],
        BOB: [("tier", "too_large")],
        CID: [("orders", "unusable_value")],
    }
    assert klaviyo.emails(target) == {ANN, BOB, CID}
    assert held(klaviyo, BOB)["properties"] == {"orders": 1}


def test_attributes_that_klaviyo_refuses_do_not_keep_out(klaviyo: KlaviyoWorld) -> None:
    """The error says nothing of the place, so Ann is imported again without attributes."""
    target = klaviyo.make_list()
    klaviyo.account.import_failures["properties.tier"] = "No."
    report = klaviyo.audience_list(fields=FIELDS).add(target, [email_member(ANN, tier="gold"), email_member(BOB)])
    assert reasons(report) == {ANN: [("tier", "refused_by_vendor")]}
    assert statuses(report) == {ANN: Status.ACCEPTED}
    assert klaviyo.emails(target) == {ANN, BOB}


@pytest.mark.parametrize(
    ("field", "left"),
    [
        ("properties/tier", {"first_name", "location.city"}),
        ("properties", {"first_name", "location.city"}),
        ("location/city", {"first_name", "tier"}),
        ("first_name", {"location.city", "tier"}),
        (None, set()),
    ],
)
def test_what_a_refusal_points_at_is_left_out(field: str | None, left: set[str]) -> None:
    row = ImportRow(email_member(ANN), ANN, data={"first_name": "Ann", "location.city": "Oslo", "tier": "gold"})
    assert row.give_up(BadRow(0, "refused_by_vendor", field=field))
    assert set(row.data) == left
    assert not ImportRow(email_member(ANN), ANN, data={"tier": 1}).give_up(BadRow(0, "invalid_email", field="email"))


def test_a_body_never_exceeds_five_megabytes(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    members = [email_member(f"p{number}@example.com", tier="x" * 90_000) for number in range(60)]
    assert klaviyo.audience_list(fields=FIELDS).add(target, members).outcomes == []
    sizes = [len(entry.body or b"") for entry in klaviyo.sandbox.requests if entry.endpoint == IMPORT]
    assert len(sizes) == 2
    assert max(sizes) <= 5_000_000
    assert len(klaviyo.emails(target)) == 60


def test_a_row_that_waits_for_its_job_takes_no_more_memory_than_it_is_long() -> None:
    people = [ImportRow(email_member(f"p{number}@example.com"), f"p{number}@example.com") for number in range(200)]
    tracemalloc.start()
    written = [row.profile(null_clears=False) for row in people] + [row.identity() for row in people]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 4 * sum(len(each) for each in written)


# -- import errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hold", "point"), [(True, False), (False, True), (False, False)])
def test_import_errors_find_their_rows(klaviyo: KlaviyoWorld, hold: bool, point: bool) -> None:
    """By the row that they repeat, by the place they point at; where they do neither, by halving the job."""
    switches = klaviyo.account.switches
    switches.import_errors_hold_rows, switches.import_errors_point = hold, point
    target = klaviyo.make_list()
    people = [f"p{number}@example.com" for number in range(8)]
    klaviyo.account.import_failures[people[3]] = "The address looks fake."
    report = klaviyo.audience_list().add(target, [email_member(each) for each in people])
    assert {name: status for name, status in statuses(report).items() if status is not Status.ACCEPTED} == {
        people[3]: Status.REJECTED
    }
    [issue] = issues(report)[people[3]]
    assert (issue.reason, issue.recheck) == ("refused_by_vendor", Recheck.WHEN_CHANGED)
    assert people[3] not in str(issue.detail)
    assert klaviyo.emails(target) == set(people) - {people[3]}


def test_more_errors_than_a_page_holds(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    people = [f"p{number}@example.com" for number in range(250)]
    klaviyo.account.import_failures.update(dict.fromkeys(people[:230], "No."))
    report = klaviyo.audience_list().add(target, [email_member(each) for each in people])
    assert sum(status is Status.REJECTED for status in statuses(report).values()) == 230
    assert klaviyo.emails(target) == set(people[230:])


# -- jobs --------------------------------------------------------------------------------------------------------------


def undecided(klaviyo: KlaviyoWorld, target: ListRef, *emails: str, **settings: Any) -> None:
    """Adding leaves these for the next sync."""
    service = klaviyo.audience_list(settings=settings)
    try:
        report = service.add(target, [email_member(each) for each in emails])
    except Unavailable:
        return
    assert statuses(report) == dict.fromkeys(emails, Status.RETRY)


def test_a_job_that_does_not_end_is_left_to_the_next_sync(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.account.switches.job_processing = 3600
    undecided(klaviyo, target, ANN, import_patience_seconds=0)
    assert klaviyo.emails(target) == {ANN}


def test_an_import_that_is_accepted_and_never_done(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.sandbox.faults.add(Fault(Action.NOT_APPLIED, IMPORT))
    undecided(klaviyo, target, ANN, import_patience_seconds=0)


def test_a_cancelled_job_is_repeated_by_the_next_sync(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.account.switches.job_processing = 10

    def cancel(_: object) -> None:
        for job in klaviyo.account.jobs:
            job.cancelled = True

    klaviyo.sandbox.faults.add(Fault(Action.HOOK_AFTER, IMPORT, hook=cancel))
    undecided(klaviyo, target, ANN)
    assert klaviyo.emails(target) == set()


def test_a_completed_import_whose_people_are_not_in_the_list(klaviyo: KlaviyoWorld, caplog: Any) -> None:
    target = klaviyo.make_list()
    klaviyo.account.switches.imports_reach_lists = False
    undecided(klaviyo, target, ANN, BOB)
    assert "are not in the list" in caplog.text
    assert ANN not in caplog.text


def test_a_lost_answer_is_looked_into_before_the_repeat(klaviyo: KlaviyoWorld) -> None:
    """The first job is let finish, so that it can't land after what comes next."""
    klaviyo.account.switches.job_processing = 5
    target = klaviyo.make_list()
    klaviyo.sandbox.faults.add(Fault(Action.RESET_AFTER, IMPORT, times=1))
    report = klaviyo.audience_list().add(target, [email_member(ANN)])
    assert report.outcomes == []
    jobs = klaviyo.account.jobs
    assert len(jobs) == 2
    assert jobs[0].finished <= jobs[1].created
    assert klaviyo.emails(target) == {ANN}


def test_many_jobs_are_watched_with_one_call(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    service = klaviyo.audience_list(settings={"profiles_per_import": 1})
    service.add(target, [email_member(f"p{number}@example.com") for number in range(5)])
    assert klaviyo.calls("get_bulk_import_profiles_job") == []
    assert len(klaviyo.calls(IMPORT)) == 5


def test_a_mapping_that_was_not_checked_is_refused(klaviyo: KlaviyoWorld) -> None:
    with pytest.raises(Misconfigured, match=r"map identifiers\.phone"):
        klaviyo.audience_list(fields={"phone_number": "text"})

"""Profile attributes: which values reach which fields, in which form, and which are rejected."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from audience_assets.destinations.base import Recheck, Status
from audience_assets.destinations.iterable.settings import HYBRID
from audience_assets.destinations.iterable.values import to_json
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.iterable_world import (
    BULK_UPDATE,
    LOOK_UP,
    PROJECT_TYPES,
    SUBSCRIBE,
    IterableWorld,
    iterable,
    only,
    person,
    reasons,
)

__all__ = ["iterable"]

ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"
PARIS = timezone(timedelta(hours=2))
NOON = datetime(2026, 5, 4, 12, 30, 15, 987654, PARIS)

TYPES = {
    "plan": "text",
    "orders": "integer",
    "spent": "number",
    "vip": "boolean",
    "born": "date",
    "seenAt": "timestamp",
    "tags": "list",
    "ref": "uuid",
}
VALUES: dict[str, Any] = {
    "plan": "pro",
    "orders": 3,
    "spent": Decimal("12.50"),
    "vip": True,
    "born": date(1990, 2, 28),
    "seenAt": NOON,
    "tags": '["a", "b"]',
    "ref": "7f0c1a52-7c0e-4c9e-9f6b-0a4f6e5f9d11",
}
SENT = {
    "plan": "pro",
    "orders": 3,
    "spent": 12.5,
    "vip": True,
    "born": "1990-02-28",
    "seenAt": "2026-05-04 10:30:15 +00:00",
    "tags": ["a", "b"],
    "ref": VALUES["ref"],
}
MADE = {
    "plan": "string",
    "orders": "long",
    "spent": "double",
    "vip": "boolean",
    "born": "date",
    "seenAt": "date",
    "tags": "string",
    "ref": "string",
}


@pytest.mark.parametrize("project_type", PROJECT_TYPES)
def test_new_fields_are_created_by_the_first_sync_with_the_right_types(
    iterable: IterableWorld, project_type: str
) -> None:
    world = iterable.of_type(project_type)
    name, kind = ("userId", "user_id") if project_type == "user_id" else ("email", "email")
    people = [f"u-{n}@example.com" for n in range(3)]
    world.seed(*({name: each} for each in people[:2]))
    target, service = world.make_list(), world.service(kind, attributes=TYPES)
    report = service.add(target, [person(each, kind, **VALUES) for each in people])
    assert (only(report).identifier, only(report).status) == (people[2], Status.ABSENT)
    assert {field: kind for field, kind in world.project.fields.types.items() if field in MADE} == MADE
    assert world.data(people[0]) == world.data(people[1]) == SENT
    assert world.people() == 2, "bulkUpdate made nobody"
    service.add(target, [person(each, kind, **VALUES) for each in people[:2]])
    assert len(world.calls(BULK_UPDATE)) == 2, "fields that are there go with the subscribe call"
    assert world.calls(SUBSCRIBE)[-1]["subscribers"][0]["dataFields"] == SENT


def test_fields_are_created_by_one_representative_value_each(iterable: IterableWorld) -> None:
    """Whole numbers and texts that look like dates would freeze the wrong type."""
    iterable.seed({"email": ANN}, {"email": BOB}, {"email": CID})
    members = [
        person(ANN, code="2026-01-01", ltv=12),
        person(BOB, code="A-7", ltv=None),
        person(CID, code="2026-01-02", ltv=12.25),
    ]
    service = iterable.service(attributes={"code": "text", "ltv": "number"})
    assert service.add(iterable.make_list(), members).outcomes == []
    first, rest = iterable.calls(BULK_UPDATE)
    assert first["createNewFields"] is True
    assert first["users"] == [
        {"email": BOB, "dataFields": {"code": "A-7"}},
        {"email": CID, "dataFields": {"ltv": 12.25}},
    ]
    assert rest["createNewFields"] is False
    assert iterable.project.fields.types["code"] == "string"
    assert iterable.data(ANN) == {"code": "2026-01-01", "ltv": 12.0}


def test_a_text_that_could_only_make_a_date_field_is_withheld(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    service = iterable.service(attributes={"code": "text"})
    target = iterable.make_list()
    outcome = only(service.add(target, [person(ANN, code="2026-01-01")]))
    assert (outcome.status, reasons(outcome)) == (Status.ACCEPTED, {"code": "field_not_created"})
    assert outcome.issues[0].recheck is Recheck.NEXT_SYNC
    assert "code" not in iterable.project.fields.types
    assert iterable.listed(target) == {ANN}


def test_without_create_fields_unknown_ones_are_rejected_and_the_person_gets_in(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    target = iterable.make_list()
    outcome = only(
        iterable.service(attributes={"plan": "text"}, create_fields=False).add(target, [person(ANN, plan="x")])
    )
    assert reasons(outcome) == {"plan": "unknown_field"}
    assert iterable.listed(target) == {ANN}
    assert iterable.calls(BULK_UPDATE) == []


@pytest.mark.parametrize(
    ("expected", "field_type", "value", "sent"),
    [
        ("double", "integer", 12, 12.0),
        ("long", "number", 12.0, 12),
        ("string", "date", date(2026, 1, 2), "2026-01-02"),
        ("date", "text", "2026-01-02 03:04:05", "2026-01-02 03:04:05"),
        ("date", "text", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
        ("long", "list", "[1, 2]", [1, 2]),
        ("object", "text", None, None),
    ],
)
def test_a_value_takes_the_form_its_field_has(
    iterable: IterableWorld, expected: str, field_type: str, value: Any, sent: Any
) -> None:
    iterable.switches.integers_fit_double = False
    iterable.seed({"email": ANN})
    iterable.project.fields.types["x"] = expected
    service = iterable.service(attributes={"x": field_type})
    assert service.add(iterable.make_list(), [person(ANN, x=value)]).outcomes == []
    row = iterable.calls(SUBSCRIBE)[0]["subscribers"][0]
    assert row == ({"email": ANN, "dataFields": {"x": sent}} if sent is not None else {"email": ANN})


@pytest.mark.parametrize(
    ("expected", "field_type", "value", "offered"),
    [
        ("date", "text", "soon", "string"),
        ("date", "text", "2020-04-13 14:04:09.000", "string"),
        ("date", "integer", 7, "long"),
        ("long", "number", 1.5, "double"),
        ("boolean", "text", "yes", "string"),
        ("string", "boolean", True, "boolean"),
        ("long", "list", '["a"]', "string"),
        ("geo_location", "text", "52,13", "string"),
    ],
)
def test_a_value_that_its_field_cannot_take_is_found_before_sending(
    iterable: IterableWorld, expected: str, field_type: str, value: Any, offered: str
) -> None:
    iterable.seed({"email": ANN}, {"email": BOB})
    iterable.project.fields.types |= {"x": expected, "plan": "string"}
    target = iterable.make_list()
    members = [person(ANN, x=value, plan="pro"), person(BOB, x=None, plan="pro")]
    outcome = only(iterable.service(attributes={"x": field_type, "plan": "text"}).add(target, members))
    assert (outcome.identifier, outcome.status) == (ANN, Status.ACCEPTED)
    [issue] = outcome.issues
    assert (issue.channel, issue.reason) == ("x", "type_mismatch")
    assert issue.detail == f"Iterable's field is {expected}, the value is {offered}"
    assert iterable.listed(target) == {ANN, BOB}
    assert iterable.data(ANN) == {"plan": "pro"}
    assert len(iterable.calls(SUBSCRIBE)) == 1


@pytest.mark.parametrize(
    ("value", "field_type", "reason"),
    [
        (float("inf"), "number", "not_a_number"),
        ("x" * 32_001, "text", "value_too_long"),
        (2**63, "integer", "unusable_value"),
        ([2**70], "list", "unusable_value"),
    ],
)
def test_values_no_field_takes(iterable: IterableWorld, value: Any, field_type: str, reason: str) -> None:
    iterable.seed({"email": ANN})
    service = iterable.service(attributes={"x": field_type})
    assert reasons(only(service.add(iterable.make_list(), [person(ANN, x=value)]))) == {"x": reason}


@pytest.mark.parametrize("granularity", ["request", "row"])
def test_a_type_that_changed_since_the_catalogue_was_read_costs_one_field(
    iterable: IterableWorld, granularity: Any
) -> None:
    """Iterable refuses the whole request, or lists the row: the others get through, and so does the membership."""
    iterable.switches.type_conflict = granularity
    people = [f"p{number}@example.com" for number in range(8)]
    iterable.seed(*({"email": each} for each in people))
    iterable.project.fields.types |= {"x": "string", "plan": "string"}
    target = iterable.make_list()

    def retype(_request: object) -> None:
        iterable.project.fields.types["x"] = "date"

    iterable.sandbox.faults.add(Fault(Action.HOOK_BEFORE, SUBSCRIBE, times=1, hook=retype))
    members = [person(each, x="soon" if n == 5 else "2026-01-01", plan="pro") for n, each in enumerate(people)]
    outcome = only(iterable.service(attributes={"x": "text", "plan": "text"}).add(target, members))
    assert (outcome.identifier, outcome.status) == (people[5], Status.ACCEPTED)
    assert iterable.listed(target) == set(people)
    if granularity == "request":
        [issue] = outcome.issues
        assert (issue.channel, issue.reason) == ("x", "type_mismatch")
        assert issue.detail == "Iterable's field is date, the value is string or keyword"
        assert iterable.data(people[5]) == {"plan": "pro"}
        assert len(iterable.calls(SUBSCRIBE)) == 2
    else:
        assert reasons(outcome) == {"x": "attributes_refused", "plan": "attributes_refused"}
        assert iterable.data(people[5]) == {}
    assert iterable.data(people[0]) == {"x": "2026-01-01", "plan": "pro"}


@pytest.mark.parametrize("creates", [True, False])
def test_fields_that_iterable_drops_quietly_are_told(iterable: IterableWorld, creates: bool) -> None:
    """The catalogue was read before somebody deleted the field."""
    iterable.switches.creates_fields = creates
    iterable.seed({"email": ANN})
    iterable.project.fields.types["x"] = "string"

    def drop(_request: object) -> None:
        iterable.project.fields.types.pop("x", None)

    iterable.sandbox.faults.add(Fault(Action.HOOK_BEFORE, SUBSCRIBE, times=1, hook=drop))
    report = iterable.service(attributes={"x": "text"}).add(iterable.make_list(), [person(ANN, x="v")])
    assert [reasons(outcome) for outcome in report.outcomes] == ([] if creates else [{"x": "field_dropped"}])


def test_a_project_full_of_fields_keeps_the_members(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN}, {"email": BOB})
    iterable.switches.max_fields = 8
    iterable.project.fields.types["plan"] = "string"
    target = iterable.make_list()
    service = iterable.service(attributes={"plan": "text", "a": "text", "b": "text"})
    report = service.add(target, [person(each, plan="pro", a="1", b="2") for each in (ANN, BOB)])
    assert {tuple(reasons(outcome).values()) for outcome in report.outcomes} == {("field_limit_reached",) * 2}
    assert {outcome.status for outcome in report.outcomes} == {Status.ACCEPTED}
    assert iterable.listed(target) == {ANN, BOB}
    assert iterable.data(ANN) == {"plan": "pro"}


# -- objects and nulls --------------------------------------------------------------------------------------------


def test_parts_of_objects_are_merged_and_whole_ones_replaced(iterable: IterableWorld) -> None:
    held = {"address": {"city": "Oslo", "zip": "0150"}, "size": {"shoe": 38, "hat": 5}}
    iterable.seed({"email": ANN, "dataFields": held})
    service = iterable.service(attributes={"address.city": "text"})
    assert service.add(iterable.make_list(), [person(ANN, address__city="Bergen")]).outcomes == []
    assert iterable.calls(SUBSCRIBE)[0]["subscribers"] == [
        {"email": ANN, "dataFields": {"address": {"city": "Bergen"}}, "mergeNestedObjects": True}
    ]
    assert iterable.data(ANN)["address"] == {"city": "Bergen", "zip": "0150"}
    service = iterable.service(attributes={"size": "list"})
    assert service.add(iterable.make_list("Other"), [person(ANN, size='{"shoe": 39}')]).outcomes == []
    assert iterable.data(ANN)["size"] == {"shoe": 39}


def test_a_part_of_something_that_is_no_object_is_rejected(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN, "dataFields": {"address": "Oslo"}})
    outcome = only(
        iterable.service(attributes={"address.city": "text"}).add(
            iterable.make_list(), [person(ANN, address__city="Bergen")]
        )
    )
    assert outcome.issues[0].detail == "Iterable's field is string, the value is object"


@pytest.mark.parametrize(("nulls", "kept"), [("ours", {"plan": "gift"}), ("always", {})])
def test_an_empty_value_of_an_entrant_clears_what_we_wrote_or_everything(
    iterable: IterableWorld, nulls: str, kept: dict[str, Any]
) -> None:
    iterable.seed({"email": ANN, "dataFields": {"plan": "gift"}})
    service = iterable.service(attributes={"plan": "text"}, nulls=nulls)
    assert service.add(iterable.make_list(), [person(ANN, plan=None)]).outcomes == []
    assert iterable.data(ANN) == kept


# -- members who stay ---------------------------------------------------------------------------------------------


def changed(identifier: str, kind: str = "email", **values: tuple[Any, Any]) -> Any:
    """A member whose attributes went from the first to the second value."""
    member = person(identifier, kind, **{name: after for name, (_, after) in values.items()})
    member.previous = {kind: identifier, **{name: before for name, (before, _) in values.items()}}
    return member


@pytest.mark.parametrize("project_type", PROJECT_TYPES)
def test_changed_attributes_are_written_and_membership_left_alone(iterable: IterableWorld, project_type: str) -> None:
    world = iterable.of_type(project_type)
    name, kind = ("userId", "user_id") if project_type == "user_id" else ("email", "email")
    world.seed({name: ANN, "dataFields": {"plan": "free", "note": "x"}}, {name: BOB})
    target = world.make_list()
    report = world.service(kind, attributes={"plan": "text", "note": "text"}).update(
        target, [changed(ANN, kind, plan=("free", "pro"), note=("x", None)), changed(CID, kind, plan=("a", "b"))]
    )
    assert (only(report).identifier, only(report).status) == (CID, Status.ABSENT)
    assert world.data(ANN) == {"plan": "pro"}
    assert world.people() == 2, "who was deleted is not made again"
    assert world.listed(target) == set(), "nobody is brought back into the list"
    assert world.calls(SUBSCRIBE) == []
    assert [body["createNewFields"] for body in world.calls(BULK_UPDATE)] == [False]


@pytest.mark.parametrize("call", ["bulk_update", "subscribe"])
def test_an_update_by_subscribe_looks_nobody_up_and_makes_nobody(iterable: IterableWorld, call: str) -> None:
    world = iterable.of_type(HYBRID)
    world.seed({"email": ANN, "dataFields": {"plan": "free"}})
    target = world.make_list()
    service = world.service(attributes={"plan": "text"}, settings={"update_call": call})
    report = service.update(target, [changed(ANN, plan=("free", "pro")), changed(CID, plan=("a", "b"))])
    assert (only(report).identifier, only(report).status) == (CID, Status.ABSENT)
    assert world.data(ANN) == {"plan": "pro"}
    assert world.people() == 1
    assert len(world.calls(LOOK_UP)) == (2 if call == "bulk_update" else 0)
    assert world.listed(target) == (set() if call == "bulk_update" else {ANN})


@pytest.mark.parametrize("trust", [False, True])
def test_trust_in_known_contacts_saves_look_ups_of_members(iterable: IterableWorld, trust: bool) -> None:
    iterable.seed({"email": ANN, "dataFields": {"plan": "free"}})
    service = iterable.service(attributes={"plan": "text"}, settings={"trust_known_contacts": trust})
    assert service.update(iterable.make_list(), [changed(ANN, plan=("free", "pro"))]).outcomes == []
    assert iterable.data(ANN) == {"plan": "pro"}
    assert len(iterable.calls(LOOK_UP)) == (0 if trust else 1)


def test_a_refused_update_leaves_the_member_in_the_list(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN, "dataFields": {"plan": "free"}})
    iterable.project.refused_data.add(ANN)
    outcome = only(
        iterable.service(attributes={"plan": "text"}).update(iterable.make_list(), [changed(ANN, plan=("free", "pro"))])
    )
    assert (outcome.status, reasons(outcome)) == (Status.ACCEPTED, {"plan": "attributes_refused"})


def test_a_deleted_user_of_an_email_project_matched_by_id_is_absent(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN, "userId": "u-1"})
    service = iterable.service("user_id", attributes={"plan": "text"})
    members = [changed("u-1", "user_id", plan=("a", "b")), changed("u-2", "user_id", plan=("a", "b"))]
    outcome = only(service.update(iterable.make_list(), members))
    assert (outcome.identifier, outcome.status) == ("u-2", Status.ABSENT)
    assert iterable.data("u-1") == {"plan": "b"}


def test_a_newly_mapped_attribute_is_created_for_members(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN}, {"email": BOB})
    members = [changed(ANN, plan=(None, "pro")), changed(BOB, plan=(None, None))]
    assert iterable.service(attributes={"plan": "text"}).update(iterable.make_list(), members).outcomes == []
    assert iterable.data(ANN) == {"plan": "pro"}
    assert len(iterable.calls(LOOK_UP)) == 1, "who has nothing to write is not looked up"


def test_an_outage_while_fields_are_created_leaves_the_rest_to_the_next_sync(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN}, {"email": BOB})
    iterable.sandbox.faults.add(Fault(Action.ERROR_BEFORE, BULK_UPDATE))
    target = iterable.make_list()
    report = iterable.service(attributes={"plan": "text"}).add(target, [person(e, plan="pro") for e in (ANN, BOB)])
    assert [outcome.status for outcome in report.outcomes] == [Status.RETRY] * 2
    iterable.sandbox.faults.clear()
    again = iterable.service(attributes={"plan": "text"}).add(target, [person(e, plan="pro") for e in (ANN, BOB)])
    assert again.outcomes == []
    assert iterable.data(BOB) == {"plan": "pro"}


def test_times_without_a_zone_are_utc(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    iterable.project.fields.types["at"] = "date"
    service = iterable.service(attributes={"at": "timestamp"})
    service.add(iterable.make_list(), [person(ANN, at=NOON.astimezone(UTC).replace(tzinfo=None))])
    assert iterable.data(ANN) == {"at": "2026-05-04 10:30:15 +00:00"}


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-5))), "9999-12-31 23:59:59 +00:00"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "0001-01-01 00:00:00 +00:00"),
    ],
)
def test_dates_that_stand_for_never_and_always(moment: datetime, told: str) -> None:
    """In UTC they would be outside the calendar."""
    assert to_json(moment, "timestamp") == told

"""Entering an Iterable list: who gets in, who is absent, who is rejected and why, in each type of project."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets.destinations.base import Member, Misconfigured, Status
from audience_assets.destinations.iterable.settings import EMAIL, HYBRID, USER_ID
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.iterable_world import (
    BULK_UPDATE,
    LIST_NAME,
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
NAMES = {EMAIL: "email", USER_ID: "userId"}


def test_a_known_address_gets_in_whatever_its_spelling(iterable: IterableWorld) -> None:
    iterable.seed({"email": "Ann@Example.com"})
    target = iterable.make_list()
    assert iterable.service().add(target, [person("  ANN@example.com ")]).outcomes == []
    assert iterable.listed(target) == {"Ann@Example.com"}


def test_in_email_projects_people_are_looked_up_and_strangers_never_sent(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    target = iterable.make_list()
    report = iterable.service().add(target, [person(ANN), person(BOB)])
    assert (only(report).identifier, only(report).status) == (BOB, Status.ABSENT)
    assert report.calls == 3
    [body] = iterable.calls(SUBSCRIBE)
    assert body["subscribers"] == [{"email": ANN}]
    assert iterable.people() == 1


@pytest.mark.parametrize(("project_type", "kind"), [(HYBRID, EMAIL), (HYBRID, USER_ID), (USER_ID, USER_ID)])
def test_elsewhere_nobody_is_looked_up_and_none_created(iterable: IterableWorld, project_type: str, kind: str) -> None:
    world = iterable.of_type(project_type)
    known, stranger = (ANN, BOB) if kind == EMAIL else ("u-1", "u-2")
    world.seed({NAMES[kind]: known})
    target = world.make_list()
    report = world.service(kind).add(target, [person(known, kind), person(stranger, kind)])
    assert (only(report).identifier, only(report).status) == (stranger, Status.ABSENT)
    assert report.calls == 1
    [body] = world.calls(SUBSCRIBE)
    assert body["updateExistingUsersOnly"] is True
    assert "preferUserId" not in body["subscribers"][0]
    assert world.people() == 1


def test_an_unknown_user_id_of_an_email_project_is_absent_without_a_look_up(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN, "userId": "u-1"})
    target = iterable.make_list()
    report = iterable.service(USER_ID).add(target, [person("u-1", USER_ID), person("u-2", USER_ID)])
    assert (only(report).identifier, only(report).status) == ("u-2", Status.ABSENT)
    assert iterable.listed(target) == {ANN}
    assert [row["preferUserId"] for row in iterable.calls(SUBSCRIBE)[0]["subscribers"]] == [False, False]
    assert iterable.people() == 1


@pytest.mark.parametrize("trust", [False, True])
def test_whom_an_earlier_sync_found_is_looked_up_again_unless_trusted(iterable: IterableWorld, trust: bool) -> None:
    iterable.seed({"email": ANN})
    iterable.sandbox.faults.add(Fault(Action.ERROR_BEFORE, SUBSCRIBE))
    target = iterable.make_list()
    service = iterable.service(settings={"trust_known_contacts": trust})
    undecided = only(service.add(target, [person(ANN)]))
    assert (undecided.status, undecided.vendor_id) == (Status.RETRY, ANN)
    iterable.sandbox.faults.clear()
    again = Member(ANN, {"email": ANN}, vendor_id=undecided.vendor_id)
    assert service.add(target, [again]).outcomes == []
    assert len(iterable.calls(LOOK_UP)) == (1 if trust else 2)
    assert iterable.listed(target) == {ANN}


@pytest.mark.parametrize(
    ("kind", "raw", "reason"),
    [
        (EMAIL, "ann@@example.com", "invalid_email"),
        (EMAIL, "", "no_email"),
        (USER_ID, None, "no_user_id"),
        (USER_ID, "x" * 53, "invalid_user_id"),
        (USER_ID, "Zoë", "invalid_user_id"),
    ],
)
def test_an_unusable_identifier_is_rejected_unsent(
    iterable: IterableWorld, kind: str, raw: str | None, reason: str
) -> None:
    outcome = only(iterable.service(kind).add(iterable.make_list(), [Member("x", {kind: raw})]))
    assert (outcome.status, reasons(outcome)) == (Status.REJECTED, {None: reason})
    assert len(iterable.sandbox.requests) == 0


def test_one_identifier_twice_in_a_batch_is_ambiguous(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    members = [Member("first", {"email": ANN}), Member("second", {"email": ANN.upper()})]
    outcome = only(iterable.service().add(iterable.make_list(), members))
    assert (outcome.identifier, reasons(outcome)) == ("second", {None: "duplicate_identifier"})


@pytest.mark.parametrize("echo", ["as_sent", "lower"])
@pytest.mark.parametrize("project_type", PROJECT_TYPES)
def test_failures_of_a_200_are_found_whatever_the_echo(iterable: IterableWorld, project_type: str, echo: Any) -> None:
    world = iterable.of_type(project_type)
    world.switches.echo = echo
    kind = USER_ID if project_type == USER_ID else EMAIL
    names = ["u-Ann", "u-Bob", "u-Cid"] if kind == USER_ID else [ANN, BOB, CID]
    world.seed(*({NAMES[kind]: name} for name in names))
    world.project.refused_data.add(names[1])
    target = world.make_list()

    def forget(_request: object) -> None:
        world.project.forget(names[0])

    world.sandbox.faults.add(Fault(Action.HOOK_BEFORE, SUBSCRIBE, times=1, hook=forget))
    world.project.fields.types["plan"] = "string"
    service = world.service(kind, attributes={"plan": "text"})
    found = {o.identifier: o for o in service.add(target, [person(n, kind, plan="pro") for n in names]).outcomes}
    assert {name: (o.status, reasons(o)) for name, o in found.items()} == {
        names[0]: (Status.REJECTED, {None: "forgotten"}),
        names[1]: (Status.ACCEPTED, {"plan": "attributes_refused"}),
    }
    assert world.listed(target) == set(names[1:])
    assert world.data(names[2])["plan"] == "pro"


@pytest.mark.parametrize("named", ["existing", "sent"])
def test_a_clash_of_identities_is_found_even_if_it_names_somebody_else(iterable: IterableWorld, named: Any) -> None:
    """Two profiles became one between look-up and write; Iterable names the value that exists."""
    world = iterable.of_type(HYBRID)
    world.switches.conflict_names = named
    world.seed({"email": ANN}, {"email": BOB}, {"email": CID})
    target = world.make_list()
    world.seed({"userId": "u-9"})
    # A row with both identifiers, which the service never sends.
    answer = world.client().subscribe(target.id, [{"email": ANN}, {"email": BOB, "userId": "u-9"}])
    assert (answer.succeeded, answer.failed) == (1, 1)
    assert answer.verdicts([ANN, BOB]) == {BOB: "conflict"}


def test_failures_that_are_only_counted_are_found_by_halving(iterable: IterableWorld) -> None:
    """As the answers of 2017 told them: then who is unknown is looked up."""
    world = iterable.of_type(HYBRID)
    world.switches.answers = "old"
    people = [f"p{number}@example.com" for number in range(40)]
    world.seed(*({"email": each} for each in people[1:]))
    world.project.forget(people[7])
    target = world.make_list()
    world.seed({"email": people[7]})
    found = {o.identifier: o for o in world.service().add(target, [person(each) for each in people]).outcomes}
    assert {name: (o.status, reasons(o)) for name, o in found.items()} == {
        people[0]: (Status.ABSENT, {}),
        people[7]: (Status.REJECTED, {None: "refused_by_vendor"}),
    }
    assert world.listed(target) == {*people[1:7], *people[8:]}
    assert len(world.calls(SUBSCRIBE)) <= 24


def test_a_batch_of_too_many_rows_is_halved(iterable: IterableWorld) -> None:
    world = iterable.of_type(HYBRID)
    world.switches.max_rows = 3
    people = [f"p{number}@example.com" for number in range(10)]
    world.seed(*({"email": each} for each in people))
    target = world.make_list()
    assert world.service().add(target, [person(each) for each in people]).outcomes == []
    assert world.listed(target) == set(people)


@pytest.mark.parametrize("where", ["ours", "theirs"])
def test_a_request_that_is_too_large_is_halved(iterable: IterableWorld, where: str) -> None:
    world = iterable.of_type(HYBRID)
    people = [f"p{number}@example.com" for number in range(20)]
    world.seed(*({"email": each} for each in people))
    target, settings = world.make_list(), {"bytes_per_call": 1_000} if where == "ours" else {}
    if where == "theirs":
        world.switches.max_body = 400
    world.project.fields.types["note"] = "string"
    service = world.service(attributes={"note": "text"}, settings=settings)
    assert service.add(target, [person(each, note="n" * 60) for each in people]).outcomes == []
    assert world.listed(target) == set(people)
    outcome = only(service.add(target, [person(people[0], note="n" * 5000)]))
    assert reasons(outcome) == {None: "too_large"}


def test_rows_of_one_call_are_at_most_what_the_settings_say(iterable: IterableWorld) -> None:
    world = iterable.of_type(HYBRID)
    people = [f"p{number}@example.com" for number in range(25)]
    world.seed(*({"email": each} for each in people))
    world.service(settings={"rows_per_call": 10}).add(world.make_list(), [person(each) for each in people])
    assert [len(body["subscribers"]) for body in world.calls(SUBSCRIBE)] == [10, 10, 5]


# -- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("list_type", ["Dynamic", "Suppression", "Internal"])
def test_only_static_lists_are_written_to(iterable: IterableWorld, list_type: str) -> None:
    target = iterable.make_list(list_type=list_type)
    service = iterable.service()
    with pytest.raises(Misconfigured, match=list_type):
        service.ensure_list(LIST_NAME)
    with pytest.raises(Misconfigured, match=list_type):
        service.get_list(target.id)
    assert iterable.writes() == 0
    assert not {found.check: found.ok for found in service.check(LIST_NAME)}["list"]


@pytest.mark.parametrize("action", [Action.RESET_AFTER, Action.ERROR_AFTER, Action.ERROR_BEFORE])
def test_a_list_whose_creation_went_unanswered_is_not_made_twice(iterable: IterableWorld, action: Action) -> None:
    iterable.sandbox.faults.add(Fault(action, "post_lists", times=1))
    target = iterable.service(list_description="From the warehouse").ensure_list("Readers")
    assert target.created
    [made] = iterable.project.lists
    assert (made.name, made.description) == ("Readers", "From the warehouse")


def test_a_new_list_that_is_not_ready_is_tried_again(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    iterable.switches.new_list_delay = 30
    service = iterable.service()
    target = service.ensure_list("Readers")

    def later(_request: object) -> None:
        iterable.clock.advance(11)

    iterable.sandbox.faults.add(Fault(Action.HOOK_BEFORE, SUBSCRIBE, hook=later))
    assert service.add(target, [person(ANN)]).outcomes == []
    assert len(iterable.calls(SUBSCRIBE)) == 3
    assert iterable.listed(target) == {ANN}


def test_a_list_that_stays_unready_leaves_people_for_the_next_sync(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    iterable.switches.new_list_delay = 1e9
    service = iterable.service(settings={"new_list_tries": 3})
    outcome = only(service.add(service.ensure_list("Readers"), [person(ANN)]))
    assert outcome.status is Status.RETRY
    assert len(iterable.calls(SUBSCRIBE)) == 3


# -- who is looked up ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["text", "code", "empty"])
def test_an_unknown_user_id_is_understood_in_every_wording(iterable: IterableWorld, told: Any) -> None:
    world = iterable.of_type(USER_ID)
    world.switches.unknown_user_id = told
    client = world.client()
    world.seed({"userId": "u-1"})
    assert (client.knows(USER_ID, "u-1"), client.knows(USER_ID, "u/2 + %")) == (True, False)


def test_an_outage_of_look_ups_ends_them(iterable: IterableWorld) -> None:
    people = [f"p{number}@example.com" for number in range(30)]
    iterable.sandbox.faults.add(Fault(Action.ERROR_BEFORE, LOOK_UP))
    report = iterable.service().add(iterable.make_list(), [person(each) for each in people])
    assert {outcome.status for outcome in report.outcomes} == {Status.RETRY}
    assert len(report.outcomes) == 30
    assert report.calls <= 8, "not four tries for each"
    assert iterable.writes() == 0


def test_nothing_is_written_but_the_list(iterable: IterableWorld) -> None:
    iterable.seed({"email": ANN})
    iterable.project.opt_out(ANN)
    target = iterable.make_list()
    iterable.service().add(target, [person(ANN)])
    assert iterable.project.opted_out(ANN)
    assert iterable.calls(BULK_UPDATE) == []


def test_a_mapping_that_does_not_fit_the_project_is_refused_at_once(iterable: IterableWorld) -> None:
    with pytest.raises(Misconfigured, match="user id"):
        iterable.of_type(USER_ID).service(EMAIL)

"""Leaving an Iterable list: off the list, nothing else, and nobody made by it."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets.destinations.base import Status
from audience_assets.destinations.iterable.settings import EMAIL, HYBRID, USER_ID
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.iterable_world import (
    LOOK_UP,
    PROJECT_TYPES,
    UNSUBSCRIBE,
    IterableWorld,
    iterable,
    only,
    person,
    reasons,
)

__all__ = ["iterable"]

ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"


@pytest.mark.parametrize("project_type", PROJECT_TYPES)
def test_leavers_go_off_the_list_and_no_channel_is_opted_out_of(iterable: IterableWorld, project_type: str) -> None:
    world = iterable.of_type(project_type)
    name, kind = ("userId", USER_ID) if project_type == USER_ID else ("email", EMAIL)
    target = world.make_list()
    world.seed(*({name: each, "lists": [int(target.id)]} for each in (ANN, BOB)), {name: CID})
    report = world.service(kind).remove(target, [person(ANN, kind), person(CID, kind)])
    assert report.outcomes == []
    assert world.listed(target) == {BOB}
    assert not any(world.project.opted_out(each) for each in (ANN, BOB, CID))
    [body] = world.calls(UNSUBSCRIBE)
    assert body["channelUnsubscribe"] is False


@pytest.mark.parametrize("creates", [False, True])
@pytest.mark.parametrize("unknown", ["look_up", "send"])
def test_an_unknown_leaver_is_gone(iterable: IterableWorld, unknown: str, creates: bool) -> None:
    """Whether Iterable makes a profile of them is not documented; looking up first keeps it from doing so."""
    iterable.switches.unsubscribe_creates = creates
    target = iterable.make_list()
    service = iterable.service(settings={"unknown_leavers": unknown})
    assert service.remove(target, [person(ANN)]).outcomes == []
    assert len(iterable.calls(LOOK_UP)) == (1 if unknown == "look_up" else 0)
    assert iterable.people() == (1 if creates and unknown == "send" else 0)


@pytest.mark.parametrize("project_type", [HYBRID, USER_ID])
def test_elsewhere_leavers_are_not_looked_up(iterable: IterableWorld, project_type: str) -> None:
    world = iterable.of_type(project_type)
    assert world.service(USER_ID).remove(world.make_list(), [person("u-1", USER_ID)]).outcomes == []
    assert [entry.endpoint for entry in world.sandbox.requests] == [UNSUBSCRIBE]
    assert world.people() == 0


@pytest.mark.parametrize("identifier", ["not an address", ""])
def test_whoever_can_be_in_no_list_is_gone(iterable: IterableWorld, identifier: str) -> None:
    assert iterable.service().remove(iterable.make_list(), [person(identifier)]).outcomes == []
    assert iterable.writes() == 0


def test_a_forgotten_person_is_gone(iterable: IterableWorld) -> None:
    world = iterable.of_type(HYBRID)
    world.project.forget(ANN)
    assert world.service().remove(world.make_list(), [person(ANN)]).outcomes == []


def test_an_unknown_leaver_whom_the_answer_only_counts_is_gone(iterable: IterableWorld) -> None:
    world = iterable.of_type(HYBRID)
    world.switches.answers = "old"
    target = world.make_list()
    world.seed({"email": ANN, "lists": [int(target.id)]})
    assert world.service().remove(target, [person(ANN), person(BOB)]).outcomes == []
    assert world.listed(target) == set()


def test_an_outage_leaves_them_for_the_next_sync(iterable: IterableWorld) -> None:
    world = iterable.of_type(HYBRID)
    target = world.make_list()
    world.seed({"email": ANN, "lists": [int(target.id)]})
    world.sandbox.faults.add(Fault(Action.ERROR_BEFORE, UNSUBSCRIBE))
    outcome = only(world.service().remove(target, [person(ANN)]))
    assert (outcome.status, reasons(outcome)) == (Status.RETRY, {})


@pytest.mark.parametrize("action", [Action.RESET_AFTER, Action.ERROR_AFTER, Action.TRUNCATE])
def test_a_call_whose_answer_was_lost_is_repeated(iterable: IterableWorld, action: Any) -> None:
    target = iterable.make_list()
    iterable.seed({"email": ANN, "lists": [int(target.id)]}, {"email": BOB})
    iterable.sandbox.faults.add(Fault(action, UNSUBSCRIBE, times=1))
    iterable.sandbox.faults.add(Fault(action, "post_lists_subscribe", times=1))
    service = iterable.service()
    assert service.remove(target, [person(ANN)]).outcomes == []
    assert service.add(target, [person(BOB)]).outcomes == []
    assert iterable.listed(target) == {BOB}

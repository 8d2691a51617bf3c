"""An Iterable project: settings, mapping, doctor, reading lists, estimates and what the service declares."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from audience_assets.destinations.base import (
    Endpoint,
    ListMissing,
    Mapped,
    Misconfigured,
    Operation,
    Throttled,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.http import Answer
from audience_assets.destinations.iterable import ITERABLE
from audience_assets.destinations.iterable.errors import explain, wait_hint
from audience_assets.destinations.iterable.settings import EMAIL, HYBRID, USER_ID, ContactListOptions, IterableSettings
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.iterable_world import (
    KEY,
    LIST_NAME,
    PROJECT_TYPES,
    SUBSCRIBE,
    IterableWorld,
    iterable,
    only,
    person,
)
from audience_assets_tests.destinations.test_iterable_attributes import changed

__all__ = ["iterable"]

SPEC = ITERABLE.services["iterable.contact_list"]
ANN = "ann@example.com"


def settings(**given: Any) -> IterableSettings:
    return IterableSettings.model_validate({"api_key": KEY, "project_type": "hybrid", **given})


def faults(identifiers: dict[str, str], attributes: dict[str, str], project_type: str | None = None) -> list[str]:
    known = settings(project_type=project_type) if project_type else None
    assert SPEC.mapping_faults is not None
    found = SPEC.mapping_faults(known, ContactListOptions(), Mapped(identifiers, attributes))
    return [".".join(fault.place) for fault in found]


def test_the_vendor_is_registered() -> None:
    assert DESTINATIONS["iterable"] is ITERABLE
    assert not SPEC.creates_contacts
    assert SPEC.carries_attributes
    assert list(SPEC.identifiers(ContactListOptions())) == ["email", "user_id"]


def test_the_key_is_never_shown() -> None:
    assert KEY not in repr(settings())
    assert KEY not in settings().model_dump_json()
    assert KEY not in ITERABLE.account(settings())
    assert ITERABLE.secret_fields == ("api_key",)
    assert ITERABLE.account(settings(account="shop")) == "iterable-shop"


def test_the_project_type_must_be_said_and_the_host_follows_the_data_center() -> None:
    with pytest.raises(ValidationError, match="project_type"):
        IterableSettings.model_validate({"api_key": KEY})
    assert settings().url == "https://api.iterable.com"
    assert settings(data_center="eu").url == "https://api.eu.iterable.com"
    assert settings(base_url="http://127.0.0.1:1/iterable/").url == "http://127.0.0.1:1/iterable"
    with pytest.raises(ValidationError, match="https"):
        settings(base_url="127.0.0.1")


@pytest.mark.parametrize(
    ("identifiers", "project_type", "places"),
    [
        ({"email": "text"}, EMAIL, []),
        ({"user_id": "text"}, EMAIL, []),
        ({"user_id": "integer"}, USER_ID, []),
        ({"email": "text"}, USER_ID, ["identifiers.email"]),
        ({"email": "text"}, None, []),
        ({"email": "text"}, HYBRID, []),
        ({}, HYBRID, ["identifiers"]),
        ({"email": "text", "user_id": "text"}, HYBRID, ["identifiers"]),
    ],
)
def test_the_project_type_decides_which_identifier_is_allowed(
    identifiers: dict[str, str], project_type: str | None, places: list[str]
) -> None:
    assert faults(identifiers, {}, project_type) == places


@pytest.mark.parametrize(
    "name",
    ["itblInternal.emailDomain", "emailListIds", "unsubscribedChannelIds", "email", "userId", "preferUserId", "a..b"],
)
def test_fields_of_iterable_itself_cannot_be_mapped(name: str) -> None:
    assert faults({"email": "text"}, {name: "text"}) == [f"fields.{name}"]


def test_a_field_and_its_parts_exclude_each_other() -> None:
    assert faults({"email": "text"}, {"address": "list", "address.city": "text"}) == ["fields.address"]
    assert faults({"email": "text"}, {"address.zip": "text", "address.city": "text", "phoneNumber": "text"}) == []


# -- doctor -------------------------------------------------------------------------------------------------------


def findings(world: IterableWorld, **kwargs: Any) -> dict[str, tuple[bool, str]]:
    return {found.check: (found.ok, found.message) for found in world.service(**kwargs).check(LIST_NAME)}


def test_doctor_proves_each_permission_and_changes_nothing(iterable: IterableWorld) -> None:
    iterable.make_list()
    iterable.project.fields.types["plan"] = "string"
    found = findings(iterable, attributes={"plan": "text", "ltv": "number"})
    assert all(ok for ok, _ in found.values()), found
    assert list(found) == [
        "credentials",
        "reading users",
        "writing",
        "project type",
        "attribute plan",
        "attribute ltv",
        "list",
    ]
    assert len(iterable.sandbox.requests) == 4
    assert iterable.people() == 0
    assert "the first sync creates it" in found["attribute ltv"][1]


def test_doctor_names_a_read_only_key(iterable: IterableWorld) -> None:
    iterable.sandbox.iterable.project("demo", key="reader", writes=False)
    found = findings(iterable, settings={"api_key": "reader"})
    assert [name for name, (ok, _) in found.items() if not ok] == ["writing"]
    assert "write access" in found["writing"][1]


def test_doctor_stops_at_a_wrong_key_and_hints_at_the_data_center(iterable: IterableWorld) -> None:
    found = findings(iterable, settings={"api_key": "wrong"})
    assert list(found) == ["credentials"]
    assert "data_center" in found["credentials"][1]


@pytest.mark.parametrize(("told", "real"), [(EMAIL, HYBRID), (HYBRID, EMAIL)])
def test_doctor_sees_a_wrong_project_type(iterable: IterableWorld, told: str, real: str) -> None:
    world = iterable.of_type(real)
    ok, message = findings(world, settings={"project_type": told})["project type"]
    assert not ok
    assert world.project.lists_field in message


def test_doctor_compares_types_and_spellings(iterable: IterableWorld) -> None:
    iterable.project.fields.types |= {"born": "date", "Plan": "string"}
    found = findings(iterable, attributes={"born": "integer", "plan": "text"}, create_fields=False)
    assert found["attribute born"] == (
        False,
        "Iterable's field is date, the mapped one is integer: its values will be rejected",
    )
    assert not found["attribute plan"][0]
    assert "'Plan'" in found["attribute plan"][1]


# -- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project_type", PROJECT_TYPES)
def test_members_are_told_by_the_identifier_that_is_mapped(iterable: IterableWorld, project_type: str) -> None:
    world = iterable.of_type(project_type)
    target = world.make_list()
    row = {"email": ANN, "userId": "u-1", "lists": [int(target.id)]}
    world.seed(row, {"userId": "u-2", "lists": [int(target.id)]} if project_type == HYBRID else {"userId": "u-3"})
    if project_type != USER_ID:
        told = [member.identifiers for member in world.service(EMAIL).members(target)]
        assert {"email": ANN} in told
    if project_type == EMAIL:
        with pytest.raises(Misconfigured, match="by address"):
            list(world.service(USER_ID).members(target))
    else:
        told = [member.identifiers for member in world.service(USER_ID).members(target)]
        assert {"user_id": "u-1"} in told


def test_a_list_that_was_cut_off_is_noticed(iterable: IterableWorld) -> None:
    target = iterable.make_list()
    iterable.seed(*({"email": f"p{n}@example.com", "lists": [int(target.id)]} for n in range(50)))
    iterable.switches.cut_members_at = 20
    with pytest.raises(Unavailable, match="20 of 50"):
        list(iterable.service().members(target))
    iterable.switches.cut_members_at = None
    iterable.sandbox.faults.add(Fault(Action.TRUNCATE, "get_lists_getUsers", times=1))
    assert len(list(iterable.service().members(target))) == 50


def test_a_list_that_is_gone_is_missing(iterable: IterableWorld) -> None:
    target = iterable.make_list()
    iterable.project.delete_list(iterable.project.lists[0])
    service = iterable.service()
    for call in (lambda: service.get_list(target.id), lambda: list(service.members(target))):
        with pytest.raises(ListMissing):
            call()


# -- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (b'{"msg":"Exceeded rate limit of 4.0 per minute for endpoint: /api/x, project: 2158 "}', 60),
        (b'{"msg":"Exceeded rate limit of 5.0 per second for endpoint: /api/x"}', 1),
        (b"Too Many Requests", 5),
    ],
)
def test_a_429_is_waited_for_as_long_as_its_period(message: bytes, seconds: float) -> None:
    assert wait_hint(Answer(429, {}, message)) == seconds


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (401, b'{"msg":"Invalid API key","code":"BadApiKey","params":{}}', Unauthorized),
        (403, b'{"msg":"no","code":"Forbidden"}', Unauthorized),
        (404, b"<html><title>Action not found</title></html>", Misconfigured),
        (400, b'{"msg":"error.lists.invalidListId(9)","code":"Success"}', ListMissing),
        (400, b'{"msg":"Invalid email list id","code":"BadParams"}', ListMissing),
    ],
)
def test_refusals_are_told_apart(status: int, content: bytes, kind: type[Exception]) -> None:
    assert type(explain(Answer(status, {}, content), Endpoint("subscribe", ()))) is kind


def test_no_error_and_no_log_holds_an_address_or_the_key(
    iterable: IterableWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    iterable.seed({"email": ANN})
    iterable.sandbox.faults.add(Fault(Action.ERROR_BEFORE, SUBSCRIBE))
    outcome = only(iterable.service(settings={"rows_per_call": 1}).add(iterable.make_list(), [person(ANN)]))
    told = explain(
        Answer(400, {}, f'{{"msg":"Invalid email: {ANN}","code":"InvalidEmailAddressError"}}'.encode()),
        Endpoint("subscribe", ()),
    )
    texts = [str(told), *(str(issue) for issue in outcome.issues), caplog.text]
    assert not any("ann" in text.lower().replace("channel", "") or KEY in text for text in texts)


def test_a_part_of_an_object_that_is_called_by_an_address_is_not_told() -> None:
    body = {"code": "RequestFieldsTypesMismatched", "params": {"validationErrors": {f"friends.{ANN}": {}, "plan": {}}}}
    told = explain(Answer(400, {}, orjson.dumps(body)), Endpoint("subscribe", ()))
    assert "plan" in str(told)
    assert ANN not in str(told)


@pytest.mark.parametrize("tell", [True, False])
def test_the_published_limits_are_kept(iterable: IterableWorld, tell: bool) -> None:
    """A limiter that knows the windows draws no 429, so one that is too fast is throttled and waits."""
    iterable.switches.tell_limit = tell
    iterable.switches.list_calls_per_second = 2
    world = iterable.of_type(HYBRID)
    world.seed(*({"email": f"p{n}@example.com"} for n in range(12)))
    service = world.service(settings={"rows_per_call": 1, "list_calls_per_second": 4, "tries": 6})
    target = world.make_list()
    assert service.add(target, [person(f"p{n}@example.com") for n in range(12)]).outcomes == []
    assert len(world.listed(target)) == 12
    assert any(entry.status == 429 for entry in world.sandbox.requests)


def test_a_limit_that_never_ends_leaves_people_for_the_next_sync(iterable: IterableWorld) -> None:
    world = iterable.of_type(HYBRID)
    world.sandbox.faults.add(Fault(Action.THROTTLE, SUBSCRIBE, retry_after=None))
    try:
        report = world.service().add(world.make_list(), [person(ANN)])
    except Throttled:
        return
    assert [outcome.status for outcome in report.outcomes] == ["retry"]


# -- estimates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project_type", PROJECT_TYPES)
@pytest.mark.parametrize("attributes", [{}, {"plan": "text"}])
def test_estimates_cover_what_is_done(iterable: IterableWorld, project_type: str, attributes: dict[str, str]) -> None:
    world = iterable.of_type(project_type)
    name, kind = ("userId", USER_ID) if project_type == USER_ID else ("email", EMAIL)
    people = [f"p{number}@example.com" for number in range(25)]
    world.seed(*({name: each} for each in people))
    target, size = world.make_list(), {"rows_per_call": 10}

    def service() -> Any:
        return world.service(kind, attributes=attributes, settings=size)

    def calls(**counts: int) -> int:
        return sum(each.calls for each in service().estimate(**{"adds": 0, "updates": 0, "removes": 0, **counts}))

    values = {"plan": "pro"} if attributes else {}
    added = service().add(target, [person(each, kind, **values) for each in people])
    assert added.outcomes == []
    assert added.calls <= calls(adds=25)
    removed = service().remove(target, [person(each, kind) for each in people])
    assert removed.calls == calls(removes=25)
    if attributes:
        updates = [changed(each, kind, plan=("pro", "max")) for each in people]
        assert service().update(target, updates).calls == calls(updates=25)
    assert calls() == 0
    assert SPEC.batch_sizes[Operation.ADD] == 1000

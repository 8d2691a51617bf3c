"""Iterable's twin: lists, who is created by what, identities, fields and their types, effects that come later."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets_tests.sandbox.iterable_caller import (
    ANN,
    BOB,
    BULK_UPDATE,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Caller,
    error,
    iterable,
)

__all__ = ["iterable"]

UPDATE = "/api/users/update"


# -- lists --------------------------------------------------------------------------------------------------------


def test_lists_are_told_newest_first_with_times_in_milliseconds(iterable: Caller) -> None:
    first, second = iterable.make_list("A"), iterable.make_list("A")
    found = iterable.get("/api/lists")["lists"]
    assert [each["id"] for each in found] == [second, first]
    assert found[0] == {
        "id": second,
        "name": "A",
        "createdAt": int(iterable.clock.now() * 1000),
        "listType": "Standard",
    }


def test_a_list_needs_a_name(iterable: Caller) -> None:
    code, _, params = error(iterable.call("POST", "/api/lists", {"description": "x"}), 400)
    assert (code, params) == ("BadJsonBody", {"obj.name": [{"msg": "error.path.missing", "args": []}]})


def test_an_unknown_list_is_a_400_whose_code_is_success(iterable: Caller) -> None:
    body = {"listId": 999_999_999, "subscribers": [{"email": ANN}]}
    for path in (SUBSCRIBE, UNSUBSCRIBE):
        code, msg, params = error(iterable.call("POST", path, body), 400)
        assert (code, msg) == ("Success", "error.lists.invalidListId(999999999)")
        assert params == {"projectId": iterable.project.id, "listId": 999_999_999}
    for path in ("/api/lists/getUsers", "/api/lists/previewUsers"):
        code, msg, params = error(iterable.call("GET", path, listId=42), 400)
        assert (code, msg) == ("BadParams", "Invalid email list id")
        assert params == {"projectId": str(iterable.project.id), "listId": "42"}


def test_a_list_that_is_in_use_stays_and_a_deleted_one_leaves_its_people(iterable: Caller) -> None:
    made = iterable.make_list()
    iterable.subscribe(made, {"email": ANN})
    iterable.wait()
    iterable.project.list_named("VIP").in_use = True
    assert error(iterable.call("DELETE", f"/api/lists/{made}"), 409)[0] == "Conflict"
    iterable.project.list_named("VIP").in_use = False
    answer = iterable.call("DELETE", f"/api/lists/{made}")
    assert "was successfully deleted" in answer.json()["msg"]
    assert error(iterable.call("DELETE", f"/api/lists/{made}"), 400)[0] == "BadParams"
    assert iterable.get("/api/users/getByEmail", email=ANN)["user"]["email"] == ANN


def test_members_are_plain_text_and_the_size_a_bare_number(iterable: Caller) -> None:
    made = iterable.make_list()
    iterable.subscribe(made, {"email": ANN}, {"email": BOB})
    iterable.wait()
    answer = iterable.call("GET", "/api/lists/getUsers", listId=made)
    assert (answer.text, answer.headers["content-type"]) == (f"{ANN}\n{BOB}\n", "text/plain; charset=utf-8")
    assert iterable.get(f"/api/lists/{made}/size") == 2
    assert iterable.call("GET", "/api/lists/previewUsers", listId=made, size=1).text == f"{ANN}\n"


def test_hybrid_members_are_told_by_either_identifier(iterable: Caller) -> None:
    hybrid = iterable.of_type("hybrid")
    made = hybrid.make_list()
    rows = [{"email": ANN, "userId": "u-1"}, {"email": BOB}, {"userId": "u-3"}]
    hybrid.project.add_users({**row, "lists": [made]} for row in rows)
    assert hybrid.members(made) == [ANN, BOB, "u-3"]
    assert hybrid.members(made, preferUserId="true") == ["u-1", BOB, "u-3"]


def test_a_dynamic_list_is_not_refused(iterable: Caller) -> None:
    made = iterable.project.create_list("Rule", "Dynamic")
    assert iterable.subscribe(made.id, {"email": ANN})["successCount"] == 1


def test_a_new_list_may_take_its_time(iterable: Caller) -> None:
    iterable.switches.new_list_delay = 10
    made = iterable.make_list()
    body = {"listId": made, "subscribers": [{"email": ANN}]}
    assert error(iterable.call("POST", SUBSCRIBE, body), 400)[0] == "Success"
    iterable.wait(10)
    assert iterable.post(SUBSCRIBE, body)["successCount"] == 1


# -- who is created -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("project_type", "row", "existing_only", "created", "failed"),
    [
        ("email", {"email": ANN}, True, 1, None),
        ("email", {"userId": "u-1"}, False, 0, "notFoundUserIds"),
        ("email", {"userId": "u-1", "preferUserId": True}, False, 1, None),
        ("user_id", {"userId": "u-1"}, False, 1, None),
        ("user_id", {"userId": "u-1"}, True, 0, "notFoundUserIds"),
        ("user_id", {"email": ANN}, False, 0, "invalidEmails"),
        ("hybrid", {"email": ANN}, False, 1, None),
        ("hybrid", {"email": ANN}, True, 0, "notFoundEmails"),
        ("hybrid", {"userId": "u-1"}, True, 0, "notFoundUserIds"),
    ],
)
def test_subscribing_creates_strangers_by_the_rules_of_the_project(
    iterable: Caller, project_type: str, row: dict[str, Any], existing_only: bool, created: int, failed: str | None
) -> None:
    project = iterable.of_type(project_type)
    made = project.make_list()
    told = project.subscribe(made, row, existing_only=existing_only)
    assert (told["successCount"], told["failCount"]) == ((0, 1) if failed else (1, 0))
    assert {name for name, found in told["failedUpdates"].items() if found} == ({failed} if failed else set())
    assert len(project.project.users) == 0, "nothing is applied yet"
    project.wait()
    assert len(project.members(made)) == created
    assert len(project.project.users) == created


def test_bulk_update_creates_whoever_is_unknown(iterable: Caller) -> None:
    hybrid = iterable.of_type("hybrid")
    told = hybrid.post(BULK_UPDATE, {"users": [{"email": ANN, "dataFields": {"plan": "pro"}}, {"email": "foo@"}]})
    assert (told["successCount"], told["failCount"], told["invalidEmails"]) == (1, 1, ["foo@"])
    hybrid.wait()
    assert hybrid.project.data(ANN) == {"plan": "pro"}


def test_bulk_update_calls_an_unknown_user_id_of_an_email_project_invalid(iterable: Caller) -> None:
    told = iterable.post(BULK_UPDATE, {"users": [{"userId": "u-1"}]})
    assert told["failedUpdates"]["invalidUserIds"] == ["u-1"]
    assert told["failedUpdates"]["notFoundUserIds"] == []


def test_an_empty_batch_is_zeros_or_a_400(iterable: Caller) -> None:
    made = iterable.make_list()
    told = iterable.subscribe(made)
    assert (told["successCount"], told["failCount"]) == (0, 0)
    code, msg, _ = error(iterable.call("POST", BULK_UPDATE, {"users": []}), 400)
    assert (code, msg) == ("InvalidEmailAddressError", "Emails invalid: ")


@pytest.mark.parametrize("creates", [False, True])
def test_unsubscribing_a_stranger(iterable: Caller, creates: bool) -> None:
    iterable.switches.unsubscribe_creates = creates
    made = iterable.make_list()
    told = iterable.post(UNSUBSCRIBE, {"listId": made, "subscribers": [{"email": ANN}]})
    assert told["failedUpdates"]["notFoundEmails"] == ([] if creates else [ANN])
    iterable.wait()
    assert len(iterable.project.users) == 0 or creates
    iterable.project.settle()
    assert len(iterable.project.users) == int(creates)


@pytest.mark.parametrize("globally", [False, True])
def test_unsubscribing_opts_out_of_the_channel_only_if_told_to(iterable: Caller, globally: bool) -> None:
    made = iterable.make_list()
    iterable.subscribe(made, {"email": ANN})
    iterable.wait()
    body = {"listId": made, "subscribers": [{"email": ANN}], "channelUnsubscribe": globally}
    for _ in range(2):  # who is not in the list counts as a success
        assert iterable.post(UNSUBSCRIBE, body)["successCount"] == 1
        iterable.wait()
    assert iterable.members(made) == []
    assert iterable.project.opted_out(ANN) is globally


def test_a_forgotten_person_is_refused_for_ever(iterable: Caller) -> None:
    made = iterable.make_list()
    iterable.post("/api/users/forget", {"email": ANN})
    assert iterable.subscribe(made, {"email": ANN.upper()})["failedUpdates"]["forgottenEmails"] == [ANN.upper()]
    assert error(iterable.call("POST", UPDATE, {"email": ANN}), 409)[0] == "ForgottenUserError"
    assert len(iterable.get("/api/users/forgotten")["hashedEmails"]) == 1
    iterable.post("/api/users/unforget", {"email": ANN})
    assert iterable.subscribe(made, {"email": ANN})["successCount"] == 1
    assert iterable.call("GET", "/api/users/forgottenUserIds").status_code == 400


def test_in_an_email_project_the_address_selects_and_the_user_id_is_written(iterable: Caller) -> None:
    iterable.project.add_users([{"email": ANN, "userId": "u-1"}, {"email": BOB}])
    iterable.post(UPDATE, {"email": BOB, "userId": "u-1"})
    iterable.wait()
    made = iterable.make_list()
    iterable.subscribe(made, {"userId": "u-1"})
    iterable.wait()
    assert iterable.members(made) == [ANN, BOB], "user ids repeat"


@pytest.mark.parametrize(("named", "told"), [("existing", "u-1"), ("sent", "u-2")])
def test_a_clash_of_identities_names_one_value(iterable: Caller, named: Any, told: str) -> None:
    hybrid = iterable.of_type("hybrid")
    hybrid.switches.conflict_names = named
    hybrid.project.add_users([{"email": ANN, "userId": "u-1"}])
    answer = hybrid.subscribe(hybrid.make_list(), {"email": ANN, "userId": "u-2"})
    assert answer["failedUpdates"]["conflictUserIds"] == [told]


@pytest.mark.parametrize("user_id", ["x" * 53, "Zoë", "u-1 ", ""])
def test_user_ids_are_short_printable_ascii(iterable: Caller, user_id: str) -> None:
    told = iterable.of_type("user_id").post(BULK_UPDATE, {"users": [{"userId": user_id}]})
    assert told["failedUpdates"]["invalidUserIds"] == [user_id]


@pytest.mark.parametrize("echo", ["as_sent", "lower"])
def test_failed_addresses_are_echoed(iterable: Caller, echo: Any) -> None:
    iterable.switches.echo = echo
    told = iterable.subscribe(iterable.make_list(), {"email": "Foo@"})
    assert told["invalidEmails"] == told["failedUpdates"]["invalidEmails"] == ["foo@" if echo == "lower" else "Foo@"]


def test_the_answer_of_2017_names_few(iterable: Caller) -> None:
    iterable.switches.answers = "old"
    told = iterable.subscribe(iterable.make_list(), {"email": "foo@"})
    assert told == {"successCount": 0, "failCount": 1, "invalidEmails": ["foo@"]}


# -- fields -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "types"),
    [
        ("a", "x", {"a": "string"}),
        ("a", 1, {"a": "long"}),
        ("a", 1.5, {"a": "double"}),
        ("a", True, {"a": "boolean"}),
        ("a", "2026-01-02", {"a": "date"}),
        ("a", "2026-01-02 03:04:05 +00:00", {"a": "date"}),
        ("a", "2026-01-02 03:04:05.000", {"a": "string"}),
        ("a", ["x"], {"a": "string"}),
        ("a", {"b": 1}, {"a": "object", "a.b": "long"}),
        ("home_geo_location", {"lat": 1.5, "lon": 2.5}, {"home_geo_location": "geo_location"}),
        ("a", None, {}),
        ("a", [], {}),
    ],
)
def test_the_first_value_makes_the_field(iterable: Caller, name: str, value: Any, types: dict[str, str]) -> None:
    before = iterable.get("/api/users/getFields")["fields"]
    told = iterable.post(BULK_UPDATE, {"users": [{"email": ANN, "dataFields": {name: value}}], "createNewFields": True})
    after = iterable.get("/api/users/getFields")["fields"]
    assert {field: kind for field, kind in after.items() if field not in before} == types
    assert told["createdFields"] == sorted(types)


@pytest.mark.parametrize("granularity", ["request", "row"])
def test_a_field_keeps_its_type(iterable: Caller, granularity: Any) -> None:
    iterable.switches.type_conflict = granularity
    iterable.project.fields.types["born"] = "date"
    rows = [{"email": ANN, "dataFields": {"born": "GGG"}}, {"email": BOB, "dataFields": {"born": "2000-01-01"}}]
    answer = iterable.call("POST", BULK_UPDATE, {"users": rows})
    if granularity == "row":
        assert answer.json()["failedUpdates"]["invalidDataEmails"] == [ANN]
        return
    code, msg, params = error(answer, 400)
    assert code == "RequestFieldsTypesMismatched"
    assert "has a data type of 'date' but possible types 'string, keyword'" in msg
    assert params["validationErrors"]["born"] == {
        "incomingTypes": ["string", "keyword"],
        "expectedType": "date",
        "_type": "UnexpectedType",
        "offendingValue": "GGG",
        "category": "user",
    }


@pytest.mark.parametrize("fits", [True, False])
def test_whether_whole_numbers_fit_doubles_is_a_switch(iterable: Caller, fits: bool) -> None:
    iterable.switches.integers_fit_double = fits
    iterable.project.fields.types["ltv"] = "double"
    body = {"users": [{"email": ANN, "dataFields": {"ltv": 12}}]}
    assert iterable.call("POST", BULK_UPDATE, body).status_code == (200 if fits else 400)


@pytest.mark.parametrize("asked", [True, False, None])
@pytest.mark.parametrize("project", [True, False])
def test_who_decides_whether_fields_are_created(iterable: Caller, asked: bool | None, project: bool) -> None:
    iterable.switches.creates_fields = project
    body = {"users": [{"email": ANN, "dataFields": {"new": 1}}]} | ({} if asked is None else {"createNewFields": asked})
    told = iterable.post(BULK_UPDATE, body)
    made = project if asked is None else asked
    assert (told["createdFields"], told["filteredOutFields"]) == ((["new"], []) if made else ([], ["new"]))
    assert told["successCount"] == 1
    iterable.wait()
    assert iterable.project.data(ANN) == ({"new": 1} if made else {})


def test_there_is_an_end_to_fields(iterable: Caller) -> None:
    iterable.switches.max_fields = 8
    body = {"users": [{"email": ANN, "dataFields": {"a": 1, "b": 2}}], "createNewFields": True}
    assert error(iterable.call("POST", BULK_UPDATE, body), 400)[0] == "UniqueFieldsLimitExceeded"


def test_objects_are_replaced_or_merged_and_null_deletes(iterable: Caller) -> None:
    held = {"a": {"x": 1, "y": 2}, "b": 1, "c": 2}
    iterable.project.add_users([{"email": ANN, "dataFields": held}, {"email": BOB, "dataFields": held}])
    rows: list[dict[str, Any]] = [
        {"email": ANN, "dataFields": {"a": {"x": 3}, "b": None}},
        {"email": BOB, "dataFields": {"a": {"x": None, "z": 3}}, "mergeNestedObjects": True},
    ]
    iterable.post(BULK_UPDATE, {"users": rows})
    iterable.wait()
    assert iterable.project.data(ANN) == {"a": {"x": 3}, "c": 2}
    assert iterable.project.data(BOB) == {"a": {"y": 2, "z": 3}, "b": 1, "c": 2}


# -- single users -------------------------------------------------------------------------------------------------


def test_looking_up(iterable: Caller) -> None:
    iterable.project.add_users([{"email": "a+b@example.com", "userId": "u/1", "dataFields": {"plan": "pro"}}])
    found = iterable.get("/api/users/getByEmail", email="A+B@example.com")["user"]
    assert (found["email"], found["userId"], found["dataFields"]["plan"]) == ("a+b@example.com", "u/1", "pro")
    assert iterable.get("/api/users/byUserId", userId="u/1")["user"] == found
    assert iterable.get("/api/users/getByEmail", email=ANN) == {}
    assert error(iterable.call("GET", "/api/users/getByEmail", email="foo@"), 400)[0] == "InvalidEmailAddressError"
    assert iterable.get("/api/users/a%2Bb@example.com")["user"] == found


@pytest.mark.parametrize(("told", "status"), [("text", 400), ("code", 500), ("empty", 200)])
def test_an_unknown_user_id_is_told_in_three_ways(iterable: Caller, told: Any, status: int) -> None:
    iterable.switches.unknown_user_id = told
    answer = iterable.call("GET", "/api/users/byUserId", userId="u-1")
    assert answer.status_code == status
    assert (answer.text == "{}") == (told == "empty")


def test_single_updates_tell_what_is_wrong_by_status(iterable: Caller) -> None:
    assert iterable.post(UPDATE, {"email": ANN, "dataFields": {"plan": "pro"}})["code"] == "Success"
    assert error(iterable.call("POST", UPDATE, {"email": "foo@"}), 400)[0] == "InvalidEmailAddressError"
    iterable.wait()
    assert iterable.project.data(ANN) == {"plan": "pro"}
    iterable.post("/api/users/updateEmail", {"currentEmail": ANN, "newEmail": BOB})
    iterable.wait()
    assert iterable.project.data(BOB) == {"plan": "pro"}
    iterable.call("DELETE", f"/api/users/{BOB}")
    iterable.wait()
    assert error(iterable.call("DELETE", f"/api/users/{BOB}"), 400)[0] == "BadParams"


def test_subscriptions_overwrite(iterable: Caller) -> None:
    first, second = iterable.make_list("A"), iterable.make_list("B")
    iterable.subscribe(first, {"email": ANN})
    iterable.wait()
    row = {"email": ANN, "emailListIds": [second], "unsubscribedChannelIds": [6539]}
    iterable.post("/api/users/updateSubscriptions", row)
    iterable.wait()
    assert (iterable.members(first), iterable.members(second)) == ([], [ANN])
    assert iterable.project.opted_out(ANN)
    rows = [{"email": ANN, "unsubscribedChannelIds": []}, {"email": "foo@"}]
    told = iterable.post("/api/users/bulkUpdateSubscriptions", {"updateSubscriptionsRequests": rows})
    assert (told["successCount"], told["invalidEmails"]) == (1, ["foo@"])
    iterable.wait()
    assert not iterable.project.opted_out(ANN)


@pytest.mark.parametrize("enabled", [False, True])
def test_some_endpoints_must_be_switched_on(iterable: Caller, enabled: bool) -> None:
    iterable.switches.subscriptions_enabled = enabled
    iterable.project.add_users([{"email": ANN}])
    made = iterable.make_list()
    path = f"/api/subscriptions/emailList/{made}"
    answer = iterable.call("PUT", path, {"users": [ANN]}, action="subscribe")
    assert answer.status_code == (200 if enabled else 404)
    iterable.wait()
    assert iterable.members(made) == ([ANN] if enabled else [])
    assert iterable.call("DELETE", f"{path}/user/{ANN}").status_code == (200 if enabled else 404)
    iterable.wait()
    assert iterable.members(made) == []


def test_merging_moves_lists_and_data(iterable: Caller) -> None:
    made = iterable.make_list()
    rows: list[dict[str, Any]] = [
        {"email": ANN, "dataFields": {"a": 1}, "lists": [made]},
        {"email": BOB, "dataFields": {"b": 2}},
    ]
    iterable.project.add_users(rows)
    iterable.post("/api/users/merge", {"sourceEmail": ANN, "destinationEmail": BOB})
    iterable.wait()
    assert iterable.members(made) == [BOB]
    assert iterable.project.data(BOB) == {"a": 1, "b": 2}

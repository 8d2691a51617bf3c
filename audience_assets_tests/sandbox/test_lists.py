"""Lists: create, find, page, rename, delete."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets.sandbox.klaviyo import AccountSettings, KlaviyoSandbox
from audience_assets_tests.sandbox.caller import Caller, errors, parameter, pointers


def body(list_id: str | None = None, **attributes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"type": "list", "attributes": attributes}
    return {"data": data | ({"id": list_id} if list_id else {})}


def test_a_new_list_shows_microseconds_once(klaviyo: Caller) -> None:
    klaviyo.wait(0.123456)
    answer = klaviyo.call("POST", "/api/lists", body(name="VIP customers", opt_in_process="single_opt_in"))
    assert answer.status_code == 201
    made = answer.json()["data"]
    assert made["attributes"]["name"] == "VIP customers"
    assert made["attributes"]["opt_in_process"] == "single_opt_in"
    assert made["attributes"]["created"] == "2026-07-15T09:00:00.123456+00:00"
    assert klaviyo.get(f"/api/lists/{made['id']}")["data"]["attributes"]["created"] == "2026-07-15T09:00:00+00:00"


@pytest.mark.parametrize("default", ["single_opt_in", "double_opt_in"])
def test_the_accounts_opt_in_is_the_default(klaviyo: Caller, default: str) -> None:
    vendor: KlaviyoSandbox = klaviyo.sandbox.klaviyo
    vendor.account("demo", settings=AccountSettings(default_opt_in=default))
    made = klaviyo.call("POST", "/api/lists", body(name="VIP")).json()["data"]
    assert made["attributes"]["opt_in_process"] == default


def test_names_need_not_be_unique(klaviyo: Caller) -> None:
    for _ in range(2):
        assert klaviyo.call("POST", "/api/lists", body(name="VIP, (old)")).status_code == 201
    klaviyo.account.create_list("vip, (old)")
    found = klaviyo.get("/api/lists", filter='equals(name,"VIP, (old)")')
    assert len(found["data"]) == 2


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({}, "/data/attributes/name"),
        ({"name": " "}, "/data/attributes/name"),
        ({"name": 7}, "/data/attributes/name"),
        ({"name": "VIP", "opt_in_process": "none"}, "/data/attributes/opt_in_process"),
        ({"name": "VIP", "description": "x"}, "/data/attributes/description"),
    ],
)
def test_a_wrong_list_is_refused(klaviyo: Caller, attributes: dict[str, Any], pointer: str) -> None:
    assert pointers(klaviyo.call("POST", "/api/lists", body(**attributes))) == [pointer]
    assert klaviyo.account.lists == []


def test_older_revisions_take_a_name_only(klaviyo: Caller) -> None:
    answer = klaviyo.call(
        "POST", "/api/lists", body(name="VIP", opt_in_process="single_opt_in"), headers={"revision": "2025-07-15"}
    )
    assert pointers(answer) == ["/data/attributes/opt_in_process"]


def test_a_page_holds_ten_lists_at_most(klaviyo: Caller) -> None:
    made = [klaviyo.account.create_list(f"List {number}").id for number in range(23)]
    pages = list(klaviyo.pages("/api/lists"))
    assert [len(page["data"]) for page in pages] == [10, 10, 3]
    assert [each["id"] for page in pages for each in page["data"]] == made
    assert pages[0]["links"]["prev"] is None
    assert pages[-1]["links"]["next"] is None
    for size in ("11", "0", "many"):
        assert parameter(klaviyo.call("GET", "/api/lists", page_size=size)) == "page[size]"


def test_links_lead_back_too(klaviyo: Caller) -> None:
    for number in range(7):
        klaviyo.account.create_list(f"List {number}")
    first, second, third, *_ = klaviyo.pages("/api/lists", page_size="2")
    assert "page%5Bcursor%5D=" in second["links"]["self"]
    assert klaviyo.get(third["links"]["prev"])["data"] == second["data"]
    back = klaviyo.get(second["links"]["prev"])
    assert back["data"] == first["data"]
    assert back["links"]["prev"] is None
    assert klaviyo.get(back["links"]["next"])["data"] == second["data"]


def test_a_deleted_list_does_not_disturb_a_reader(klaviyo: Caller) -> None:
    made = [klaviyo.account.create_list(f"List {number}").id for number in range(9)]
    first = klaviyo.get("/api/lists", page_size="3")
    assert klaviyo.call("DELETE", f"/api/lists/{made[0]}").status_code == 204
    second = klaviyo.get(first["links"]["next"])
    assert [each["id"] for each in second["data"]] == made[3:6]


def test_sorting(klaviyo: Caller) -> None:
    for name in ("b", "c", "a"):
        klaviyo.account.create_list(name)
    for sort, expected in (("name", "abc"), ("-name", "cba"), ("created", "bca"), ("-created", "acb")):
        pages = klaviyo.pages("/api/lists", sort=sort, page_size="2")
        assert "".join(each["attributes"]["name"] for page in pages for each in page["data"]) == expected
    assert parameter(klaviyo.call("GET", "/api/lists", sort="size")) == "sort"


def test_renaming_and_switching_the_opt_in(klaviyo: Caller) -> None:
    made = klaviyo.account.create_list("VIP", "single_opt_in")
    klaviyo.wait(5)
    path = f"/api/lists/{made.id}"
    changed = klaviyo.call("PATCH", path, body(made.id, opt_in_process="double_opt_in")).json()["data"]
    assert changed["attributes"]["name"] == "VIP"
    assert changed["attributes"]["opt_in_process"] == "double_opt_in"
    assert changed["attributes"]["updated"] > changed["attributes"]["created"]
    assert pointers(klaviyo.call("PATCH", path, body("other", name="New"))) == ["/data/id"]
    assert made.name == "VIP"


def test_deleting_leaves_people_and_consent(klaviyo: Caller) -> None:
    made = klaviyo.account.create_list("VIP")
    klaviyo.account.add_profiles(
        [{"email": "ann@example.com", "consents": {"email": "SUBSCRIBED"}, "lists": [made.id]}]
    )
    assert klaviyo.call("DELETE", f"/api/lists/{made.id}").status_code == 204
    assert klaviyo.consent("ann@example.com").status == "SUBSCRIBED"
    for method in ("GET", "DELETE"):
        errors(klaviyo.call(method, f"/api/lists/{made.id}"), 404)


def test_the_number_of_members_is_extra(klaviyo: Caller) -> None:
    made = klaviyo.account.create_list("VIP")
    klaviyo.account.add_profiles({"email": f"u{n}@example.com", "lists": [made.id]} for n in range(3))
    path = f"/api/lists/{made.id}"
    assert "profile_count" not in klaviyo.get(path)["data"]["attributes"]
    found = klaviyo.get(path, additional_fields_list="profile_count", fields_list="profile_count")
    assert found["data"]["attributes"] == {"profile_count": 3}


def test_include_knows_its_values(klaviyo: Caller) -> None:
    assert klaviyo.get("/api/lists", include="tags,flow-triggers")["included"] == []
    assert parameter(klaviyo.call("GET", "/api/lists", include="profiles")) == "include"

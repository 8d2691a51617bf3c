"""Membership without consent: add, remove, read."""

from __future__ import annotations

import pytest

from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets_tests.sandbox.caller import Caller, parameter, pointers


def seeded(klaviyo: Caller, count: int) -> list[Profile]:
    klaviyo.account.add_profiles({"email": f"user{number}@example.com"} for number in range(count))
    return list(klaviyo.account.profiles)


def references(*ids: str) -> dict[str, object]:
    return {"data": [{"type": "profile", "id": each} for each in ids]}


def path_of(list_id: str) -> str:
    return f"/api/lists/{list_id}/relationships/profiles"


@pytest.mark.parametrize("process", ["single_opt_in", "double_opt_in"])
def test_adding_and_removing_changes_no_consent(klaviyo: Caller, process: str) -> None:
    target = klaviyo.account.create_list("VIP", process)
    ann, bob = seeded(klaviyo, 2)
    klaviyo.account.opt_out("user0@example.com")
    before = klaviyo.account.audit
    for _ in range(2):  # safe to repeat
        assert klaviyo.call("POST", path_of(target.id), references(ann.id, bob.id)).status_code == 204
    assert klaviyo.emails(target.id) == {"user0@example.com", "user1@example.com"}
    for _ in range(2):
        assert klaviyo.call("DELETE", path_of(target.id), references(ann.id)).status_code == 204
    assert klaviyo.emails(target.id) == {"user1@example.com"}
    assert klaviyo.consent("user0@example.com").status == "UNSUBSCRIBED"
    assert klaviyo.consent("user1@example.com").status == "NEVER_SUBSCRIBED"
    assert klaviyo.account.audit == before


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_call_takes_one_to_a_thousand_ids(klaviyo: Caller, method: str) -> None:
    target = klaviyo.account.create_list("VIP")
    ids = [profile.id for profile in seeded(klaviyo, 1001)]
    assert pointers(klaviyo.call(method, path_of(target.id), references(*ids))) == ["/data"]
    assert pointers(klaviyo.call(method, path_of(target.id), {"data": []})) == ["/data"]
    assert klaviyo.call(method, path_of(target.id), references(*ids[:1000])).status_code == 204


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_unknown_ids_refuse_the_whole_call(klaviyo: Caller, method: str) -> None:
    target = klaviyo.account.create_list("VIP")
    ann, bob = seeded(klaviyo, 2)
    klaviyo.call("POST", path_of(target.id), references(bob.id))
    sent = references(ann.id, "01KWFX4MZPQDSD3YG79C83CBDV", bob.id, "short")
    assert pointers(klaviyo.call(method, path_of(target.id), sent), 404) == ["/data/1/id", "/data/3/id"]
    assert klaviyo.emails(target.id) == {bob.email}
    klaviyo.switches.unknown_member_status = 0
    assert klaviyo.call(method, path_of(target.id), sent).status_code == 204


def test_members_are_named_by_id_only(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    sent = {"data": [{"type": "profile", "attributes": {"email": "ann@example.com"}}]}
    assert pointers(klaviyo.call("POST", path_of(target.id), sent)) == ["/data/0"]


def test_a_merged_profile_is_gone(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    ann, bob = seeded(klaviyo, 2)
    klaviyo.call("POST", path_of(target.id), references(ann.id))
    klaviyo.account.merge(ann.id, into=bob.id)
    assert klaviyo.emails(target.id) == {bob.email}
    assert pointers(klaviyo.call("DELETE", path_of(target.id), references(ann.id)), 404) == ["/data/0/id"]


def test_reading_members_page_by_page_while_others_come_and_go(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    ids = [profile.id for profile in seeded(klaviyo, 260)]
    klaviyo.call("POST", path_of(target.id), references(*ids[:250]))
    first = klaviyo.get(path_of(target.id), page_size="100")
    klaviyo.call("DELETE", path_of(target.id), references(*ids[:5]))
    klaviyo.call("POST", path_of(target.id), references(*ids[250:]))
    second, third = klaviyo.pages(first["links"]["next"])
    assert [each["id"] for page in (first, second, third) for each in page["data"]] == ids
    assert third["links"]["next"] is None


def test_a_page_holds_twenty_unless_asked_and_a_hundred_at_most(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    klaviyo.call("POST", path_of(target.id), references(*(p.id for p in seeded(klaviyo, 120))))
    for path in (path_of(target.id), f"/api/lists/{target.id}/profiles"):
        assert len(klaviyo.get(path)["data"]) == 20
        assert len(klaviyo.get(path, page_size="100")["data"]) == 100
        assert parameter(klaviyo.call("GET", path, page_size="1000")) == "page[size]"


def test_members_tell_when_they_joined(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    profiles = seeded(klaviyo, 3)
    for profile in profiles:
        klaviyo.call("POST", path_of(target.id), references(profile.id))
        klaviyo.wait(60)
    path = f"/api/lists/{target.id}/profiles"

    def found(condition: str, sort: str = "joined_group_at") -> list[str]:
        data = klaviyo.get(path, filter=condition, sort=sort, fields_profile="email,joined_group_at")["data"]
        return [f"{each['attributes']['email'][4]} {each['attributes']['joined_group_at'][11:16]}" for each in data]

    assert found("greater-or-equal(joined_group_at,2026-07-15T09:01:00Z)") == ["1 09:01", "2 09:02"]
    assert found("greater-than(joined_group_at,2026-07-15T09:01:00Z)") == ["2 09:02"]
    assert found("less-than(joined_group_at,2026-07-15T09:01:00Z)", "-joined_group_at") == ["0 09:00"]
    assert found("less-or-equal(joined_group_at,2026-07-15T09:01:00Z)", "-joined_group_at") == ["1 09:01", "0 09:00"]
    between = "greater-than(joined_group_at,2026-07-15T09:00:00Z),less-than(joined_group_at,2026-07-15T09:02:00Z)"
    assert found(between) == ["1 09:01"]


def test_rejoining_is_a_new_joining(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    ann, bob = seeded(klaviyo, 2)
    klaviyo.call("POST", path_of(target.id), references(ann.id, bob.id))
    klaviyo.wait(60)
    klaviyo.call("DELETE", path_of(target.id), references(ann.id))
    klaviyo.call("POST", path_of(target.id), references(ann.id))
    assert [each["id"] for each in klaviyo.get(path_of(target.id))["data"]] == [bob.id, ann.id]


def test_members_are_found_by_email_and_phone_but_not_by_external_id(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    klaviyo.account.add_profiles(
        [
            {"email": "in@example.com", "phone_number": "+12025550101", "lists": [target.id]},
            {"email": "out@example.com"},
        ]
    )
    path = f"/api/lists/{target.id}/profiles"
    for condition in ('any(email,["in@example.com","out@example.com"])', 'equals(phone_number,"+12025550101")'):
        assert [e["attributes"]["email"] for e in klaviyo.get(path, filter=condition)["data"]] == ["in@example.com"]
    for field in ("external_id", "id"):
        assert parameter(klaviyo.call("GET", path, filter=f'any({field},["1"])')) == "filter"


def test_consent_is_read_with_the_members(klaviyo: Caller) -> None:
    target = klaviyo.account.create_list("VIP")
    klaviyo.account.add_profiles(
        [{"email": "a@example.com", "lists": [target.id], "consents": {"email": "SUBSCRIBED"}}]
    )
    path = f"/api/lists/{target.id}/profiles"
    assert "subscriptions" not in klaviyo.get(path)["data"][0]["attributes"]
    found = klaviyo.get(path, additional_fields_profile="subscriptions")["data"][0]["attributes"]
    assert found["subscriptions"]["email"]["marketing"]["consent"] == "SUBSCRIBED"

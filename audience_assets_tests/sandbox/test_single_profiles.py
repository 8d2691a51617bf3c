"""One profile at a time."""

from __future__ import annotations

from typing import Any

from audience_assets_tests.sandbox.caller import Caller, errors, pointers


def body(profile_id: str | None = None, **attributes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"type": "profile", "attributes": attributes}
    return {"data": data | ({"id": profile_id} if profile_id else {})}


def test_identifiers_are_unique(klaviyo: Caller) -> None:
    made = klaviyo.call("POST", "/api/profiles", body(email="Ann@Example.com", external_id="c-1"))
    assert made.status_code == 201
    known = made.json()["data"]["id"]
    for attributes in ({"email": "ann@example.com"}, {"email": "bob@example.com", "external_id": "c-1"}):
        error = errors(klaviyo.call("POST", "/api/profiles", body(**attributes)), 409)[0]
        assert (error["code"], error["meta"]) == ("duplicate_profile", {"duplicate_profile_id": known})
    assert klaviyo.get(f"/api/profiles/{known}")["data"]["attributes"]["email"] == "Ann@Example.com"
    errors(klaviyo.call("GET", "/api/profiles/unknown"), 404)


def test_a_bad_phone_beside_a_good_email_is_dropped(klaviyo: Caller) -> None:
    answer = klaviyo.call("POST", "/api/profiles", body(email="ann@example.com", phone_number="123"))
    assert answer.status_code == 201
    assert answer.headers["X-Klaviyo-Partial-Failure"] == "phone_number"
    alone = klaviyo.call("POST", "/api/profiles", body(phone_number="123"))
    assert pointers(alone) == ["/data/attributes/phone_number"]


def test_an_upsert_creates_then_changes_and_nulls_clear(klaviyo: Caller) -> None:
    created = klaviyo.call("POST", "/api/profile-import", body(email="ann@example.com", first_name="Ann"))
    changed = klaviyo.call("POST", "/api/profile-import", body(email="ann@example.com", first_name=None))
    assert (created.status_code, changed.status_code) == (201, 200)
    assert created.json()["data"]["id"] == changed.json()["data"]["id"]
    assert changed.json()["data"]["attributes"]["first_name"] is None
    klaviyo.call("POST", "/api/profiles", body(email="bob@example.com", external_id="c-2"))
    errors(klaviyo.call("POST", "/api/profile-import", body(email="ann@example.com", external_id="c-2")), 409)


def test_changing_an_address(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com"}, {"email": "bob@example.com"}])
    ann = klaviyo.account.find("ann@example.com")
    assert ann is not None
    path = f"/api/profiles/{ann.id}"
    assert klaviyo.call("PATCH", path, body(ann.id, email="anna@example.com")).status_code == 200
    assert klaviyo.account.find("ann@example.com") is None
    assert klaviyo.account.find("anna@example.com") is ann
    errors(klaviyo.call("PATCH", path, body(ann.id, email="bob@example.com")), 409)
    assert pointers(klaviyo.call("PATCH", path, body("other", email="a@example.com"))) == ["/data/id"]

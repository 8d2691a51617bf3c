"""What the sandbox answers has the form that Dotdigital describes."""

from __future__ import annotations

import warnings
from typing import Any

import orjson
import pytest
import requests

from audience_assets.sandbox import LoggedRequest
from audience_assets_tests.contract.dotdigital.description import (
    NOT_DESCRIBED,
    AsDotdigitalSawIt,
    answer_errors,
    load_description,
    request_errors,
)
from audience_assets_tests.destinations.dotdigital_world import PASSWORD, USER, DotdigitalWorld, dotdigital

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import openapi_core

__all__ = ["dotdigital"]

# Not needed to keep a list: preferences, data fields, deletion of many, and what v2 keeps for old integrations.
NOT_PLAYED = {
    "replaceContact",
    "deleteContacts",
    "getDeleteStatus",
    "add-contact-to-address-book",
    "bulk-import-contacts-in-address-book-with-merge-option",
    "bulk-import-contacts-collection",
    "get-contact-import-status",
    "get-contact-import-report",
    "get-contact-import-report-faults",
    "resubscribe-contact",
    "resubscribe-contact-with-no-challenge",
    "resubscribe-contact-to-address-book",
    "resubscribe-contact-to-address-book-with-no-challenge",
    "get-contact-data-fields",
    "create-contact-data-field",
    "delete-contact-data-field",
}


@pytest.fixture(scope="module")
def api() -> openapi_core.OpenAPI:
    return load_description()


class Caller:
    """Raw HTTP to the twin."""

    def __init__(self, world: DotdigitalWorld) -> None:
        self.url = world.sandbox.url
        self.session = requests.Session()
        self.session.auth = (USER, PASSWORD)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"} if data else {}
        found = self.session.request(method, self.url + path, data=data, headers=headers, timeout=10)
        assert found.status_code < 300, found.text
        return found.json() if "json" in found.headers.get("Content-Type", "") else None


def call_everything(world: DotdigitalWorld) -> None:
    """Every operation of the twin, with people and jobs in every state."""
    call = Caller(world).call
    call("GET", "/v2/account-info")
    call("GET", "/v2/server-time")
    made = call("POST", "/v2/address-books", {"name": "VIP"})["id"]
    call("PUT", f"/v2/address-books/{made}", {"name": "VIP", "visibility": "Public"})
    for path in ("", "/private", "/public", f"/{made}"):
        call("GET", f"/v2/address-books{path}")
    world.account.globally_suppressed.add("eve@example.com")
    emails = ("ann@example.com", "bad@@example.com", "eve@example.com", "ann@example.com", "bob@example.com")
    rows = [{"matchIdentifier": "email", "identifiers": {"email": email}, "lists": [made]} for email in emails]
    channels = {"email": {"emailType": "html", "optInType": "single"}}
    rows.append({"matchIdentifier": "mobileNumber", "identifiers": {"mobileNumber": "447400123451"}})
    rows[0]["channelProperties"] = channels
    job = call("PUT", "/contacts/v3/import", {"contacts": rows})["importId"]
    for _ in range(2):
        call("GET", f"/contacts/v3/import/{job}")
    call("GET", f"/contacts/v3?~listId={made}&limit=1&include=channelProperties%7Clists%7CconsentRecords")
    call("GET", "/contacts/v3?~modified=gte::2026-01-01T00:00:00Z")
    ann = call("GET", "/contacts/v3/email/ann@example.com")["contactId"]
    call("PATCH", f"/contacts/v3/contactId/{ann}", {"identifiers": {"mobileNumber": "447400123452"}, "lists": [made]})
    call("PATCH", "/contacts/v3/email/cid@example.com", {"identifiers": {"email": "cid@example.com"}})
    call("POST", "/contacts/v3", {"identifiers": {"email": "dan@example.com"}, "lists": [made]})
    call("POST", f"/v2/address-books/{made}/contacts/unsubscribe", {"email": "bob@example.com"})
    call("POST", "/v2/contacts/unsubscribe", {"email": "dan@example.com"})
    call("GET", f"/v2/address-books/{made}/contacts/unsubscribed-since/2026-01-01")
    call("GET", "/v2/contacts/suppressed-since/2026-01-01")
    call("GET", f"/v2/address-books/{made}/contacts?select=10&skip=0")
    job = call("POST", f"/v2/address-books/{made}/contacts/delete", [ann])["id"]
    for _ in range(2):
        call("GET", f"/v2/contacts/deletion/{job}")
    call("DELETE", f"/v2/address-books/{made}/contacts/{ann}")
    call("POST", f"/v2/address-books/{made}/contacts/delete-all")
    call("DELETE", f"/contacts/v3/contactId/{ann}")
    call("DELETE", f"/v2/address-books/{made}")


def described(api: openapi_core.OpenAPI) -> set[str]:
    paths = api.spec.read_value()["paths"].values()
    return {operation["operationId"] for path in paths for operation in path.values() if "operationId" in operation}


def test_every_answer_has_the_described_form(dotdigital: DotdigitalWorld, api: openapi_core.OpenAPI) -> None:
    call_everything(dotdigital)
    played = set()
    for entry in dotdigital.sandbox.requests:
        if entry.endpoint in NOT_DESCRIBED:
            continue
        assert not request_errors(api, AsDotdigitalSawIt(entry)), (entry.endpoint, entry.path)
        errors = answer_errors(api, entry)
        assert not errors, (entry.endpoint, errors, [error.__cause__ for error in errors])
        played.add(entry.endpoint)
    assert len(played) == len(described(api) - NOT_PLAYED)


def test_errors_have_the_described_form(dotdigital: DotdigitalWorld, api: openapi_core.OpenAPI) -> None:
    session = Caller(dotdigital).session
    url = dotdigital.sandbox.url
    for method, path, body in (
        ("GET", "/contacts/v3/email/nobody@example.com", None),
        ("GET", "/contacts/v3/email/12", None),
        ("PUT", "/contacts/v3/import", {"contacts": []}),
        ("GET", "/v2/address-books/1", None),
        ("POST", "/v2/address-books", {"name": "Test"}),
    ):
        assert session.request(method, url + path, json=body, timeout=10).status_code >= 400
    for entry in dotdigital.sandbox.requests:
        assert not answer_errors(api, entry), (entry.endpoint, entry.answer)


def test_a_wrong_answer_would_be_noticed(dotdigital: DotdigitalWorld, api: openapi_core.OpenAPI) -> None:
    Caller(dotdigital).call("GET", "/v2/address-books")
    [entry] = list(dotdigital.sandbox.requests)
    spoiled: list[LoggedRequest] = [entry]
    document = orjson.loads(entry.answer or b"")
    document[0]["visibility"] = "Secret"
    spoiled[0].answer = orjson.dumps(document)
    assert answer_errors(api, spoiled[0])

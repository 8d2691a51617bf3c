"""Every request the client makes is one that Dotdigital's own API description allows."""

from __future__ import annotations

import warnings

import pytest

from audience_assets_tests.contract.dotdigital.description import (
    NOT_DESCRIBED,
    AsDotdigitalSawIt,
    load_description,
    request_errors,
)
from audience_assets_tests.destinations.dotdigital_world import (
    DotdigitalWorld,
    by_email,
    by_id,
    by_phone,
    dotdigital,
    vendor_ids,
)

__all__ = ["dotdigital"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what openapi-core's own dependencies say while they are imported
    import openapi_core
    from werkzeug.datastructures import ImmutableMultiDict

EXPECTED = {200, 201, 202}
# Doctor asks for a contact that nobody can have.
NOBODY = ("get_contact", 404)


@pytest.fixture(scope="module")
def api() -> openapi_core.OpenAPI:
    return load_description()


def run_everything(world: DotdigitalWorld) -> None:
    """Each call, in each shape the service gives it."""
    ids = world.account.add_contacts(
        {"email": f"p+{number}@example.com", "mobile": f"44740012{number:04}"} for number in range(1000, 1010)
    )
    service = world.service(visibility="private")
    list(service.check("First"))
    target = service.ensure_list("First")
    service = world.service(visibility="public")
    service.keep_list(service.get_list(target.id))
    members = [by_email(f"p+{number}@example.com") for number in range(1000, 1020)]
    report = service.add(target, members)
    world.account.leave_list("p+1000@example.com", target.id)
    service = world.service()
    service.add(target, members)
    found = vendor_ids(report)
    service.remove(target, [by_email(m.identifier, found[m.identifier]) for m in members[:3]])
    service.remove(target, members[3:5])
    assert len(list(service.members(target))) == 15
    phone = world.service(identifier="phone")
    phone.add(target, [by_phone("+447400123451"), by_phone("+447400121003")])
    phone.remove(target, [by_phone("+447400123451")])
    world.service(identifier="contact_id").add(target, [by_id(ids[3]), by_id(ids[-1])])


def test_every_request_is_allowed(dotdigital: DotdigitalWorld, api: openapi_core.OpenAPI) -> None:
    run_everything(dotdigital)
    seen: set[tuple[str, str]] = set()
    for entry in dotdigital.sandbox.requests:
        assert entry.status in EXPECTED or (entry.endpoint, entry.status) == NOBODY, (entry.endpoint, entry.answer)
        seen.add((entry.method, entry.endpoint))
        if entry.endpoint in NOT_DESCRIBED:
            continue
        errors = request_errors(api, AsDotdigitalSawIt(entry))
        assert not errors, (entry.method, entry.path, entry.query_string, errors)
    assert seen == {
        ("GET", "get_account_info"),
        ("GET", "get_server_time"),
        ("GET", "get_lists"),
        ("GET", "get_list"),
        ("POST", "create_list"),
        ("PUT", "update_list"),
        ("GET", "get_unsubscribed_from_list"),
        ("GET", "get_contact"),
        ("GET", "get_contacts"),
        ("PUT", "import_contacts"),
        ("GET", "get_import"),
        ("POST", "remove_contacts"),
        ("GET", "get_removal"),
    }


def test_a_wrong_request_would_be_noticed(dotdigital: DotdigitalWorld, api: openapi_core.OpenAPI) -> None:
    dotdigital.service().add(dotdigital.make_list(), [by_email("ann@example.com")])
    entries = {entry.endpoint: AsDotdigitalSawIt(entry) for entry in dotdigital.sandbox.requests}
    spoiled = entries["import_contacts"]
    assert spoiled.body is not None
    spoiled.body = spoiled.body.replace(b'"matchIdentifier"', b'"match"')
    unknown = entries["get_contacts"]
    unknown.parameters.query = ImmutableMultiDict([("limit", "10000")])
    for request in (spoiled, unknown):
        assert request_errors(api, request)


def test_addresses_are_encoded_in_paths(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.add_contacts([{"email": "a+b/c#d%e@example.com"}])
    list(dotdigital.service().check())
    client = dotdigital.service()._client
    found = client.contact("email", "a+b/c#d%e@example.com")
    assert found is not None
    assert [entry.path for entry in dotdigital.sandbox.requests][-1].endswith("/email/a%2Bb%2Fc%23d%25e%40example.com")


def test_the_headers_are_the_documented_ones(dotdigital: DotdigitalWorld) -> None:
    dotdigital.service().ensure_list("Readers")
    for entry in dotdigital.sandbox.requests:
        assert entry.headers["accept"] == entry.headers["content-type"] == "application/json"
        assert entry.headers["user-agent"].startswith("audience-assets/")

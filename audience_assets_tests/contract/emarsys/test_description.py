"""Every request of the client, and every answer of the twin, is one that Emarsys' own API description allows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import orjson
import pytest

from audience_assets.sandbox import LoggedRequest
from audience_assets_tests.contract.emarsys.description import Answered, AsEmarsysSawIt, load_description
from audience_assets_tests.destinations.emarsys_world import EmarsysWorld, emarsys_world, reader

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what openapi-core's own dependencies say while they are imported
    import openapi_core

# The description wants `external_ids` for a new list; Emarsys' own clients make empty lists without it.
EMPTY_LIST = "createContactList"


@pytest.fixture(scope="module")
def api() -> openapi_core.OpenAPI:
    return load_description()


@pytest.fixture(params=["v3", "v2"])
def world(request: pytest.FixtureRequest) -> Iterator[EmarsysWorld]:
    with emarsys_world() as made:
        made.version = request.param
        yield made


def run_everything(world: EmarsysWorld) -> None:
    """Each call, in each shape the service gives it."""
    people = [f"p+{number}@example.com" for number in range(30)]
    world.know(*people, people[0])
    service = world.service(duplicates="add_all", description="From the warehouse")
    list(service.check("First"))
    target = service.ensure_list("First")
    service.get_list(target.id)
    members = [reader(email) for email in [*people, "stranger@example.com"]]
    service.add(target, members)
    assert len(list(service.members(target))) == len(people) + 1
    service.remove(target, members[:10])
    world.switches.multiple_ids = False
    service.remove(target, members)
    assert world.listed(target) == []


def errors_of(api: openapi_core.OpenAPI, request: AsEmarsysSawIt, answer: Answered | None = None) -> list[str]:
    """What the description says against a request and its answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [*api.unmarshal_request(request).errors]
        if answer is not None:
            found += api.unmarshal_response(request, answer).errors
    return [f"{error} {error.__cause__} {getattr(error.__cause__, 'schema_errors', '')}" for error in found]


def called(world: EmarsysWorld) -> list[LoggedRequest]:
    return [entry for entry in world.sandbox.requests if entry.endpoint != "token"]


def test_every_request_and_answer_is_as_described(world: EmarsysWorld, api: openapi_core.OpenAPI) -> None:
    run_everything(world)
    for entry in called(world):
        said = errors_of(api, AsEmarsysSawIt(entry), Answered(entry))
        if entry.endpoint == EMPTY_LIST:
            assert len(said) == 1
            assert "'external_ids' is a required property" in said[0]
        else:
            assert not said, (entry.endpoint, entry.body, entry.answer, said)
        # Doctor's calls about nobody's list are refused for that.
        assert entry.status == 200 or entry.path.split("/")[5:6] == ["0"] or entry.endpoint == EMPTY_LIST
    assert {(entry.method, entry.endpoint) for entry in called(world)} == {
        ("GET", "listContactLists"),
        ("POST", "createContactList"),
        ("POST", "addContactsToContactList"),
        ("POST", "removeContactsFromContactList"),
        ("GET", "fetchContactsInContactList"),
        ("POST", "verifyContactInternalIdentifiers"),
        ("POST", "getContactData"),
        ("GET", "listContactData"),
    }


def test_a_wrong_request_or_answer_would_be_noticed(world: EmarsysWorld, api: openapi_core.OpenAPI) -> None:
    run_everything(world)
    entries = {entry.endpoint: entry for entry in called(world)}
    added = entries["addContactsToContactList"]
    body = orjson.loads(added.body or b"")
    added.body = orjson.dumps({**body, "external_ids": "ann@example.com"})
    assert errors_of(api, AsEmarsysSawIt(added))
    page = entries["fetchContactsInContactList"]
    page.answer = orjson.dumps({"replyCode": "none"})
    assert errors_of(api, AsEmarsysSawIt(page), Answered(page))


def test_the_headers_are_the_documented_ones(world: EmarsysWorld) -> None:
    run_everything(world)
    for entry in called(world):
        assert entry.headers["accept"] == entry.headers["content-type"] == "application/json"
        assert entry.headers["user-agent"].startswith("audience-assets/")
        assert entry.path.startswith(f"/emarsys/api/{world.version}/")


def test_nothing_is_called_that_creates_changes_or_deletes_contacts(world: EmarsysWorld) -> None:
    run_everything(world)
    before = len(world.account.contacts)
    assert before == 31
    assert not [entry for entry in called(world) if entry.method in ("PUT", "DELETE")]
    assert not [entry for entry in called(world) if entry.path.endswith(("/contact/delete", "/deletelist"))]

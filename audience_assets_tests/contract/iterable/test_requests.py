"""Every request the client makes is one that Iterable's own API description allows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from audience_assets.destinations.iterable.settings import EMAIL, HYBRID, USER_ID
from audience_assets_tests.contract.iterable.description import Description, load_description
from audience_assets_tests.destinations.iterable_world import IterableWorld, iterable, person
from audience_assets_tests.destinations.test_iterable_attributes import changed

__all__ = ["iterable"]


@pytest.fixture(scope="module")
def api() -> Description:
    return load_description()


def run_everything(world: IterableWorld, kind: str, **settings: Any) -> None:
    """Each call, in each shape the service gives it."""
    name = "userId" if kind == USER_ID else "email"
    people = [f"p+{number}@example.com" for number in range(30)]
    world.seed(*({name: each} for each in people))
    world.project.refused_data.add(people[3])
    types = {"plan": "text", "address.city": "text", "ltv": "number", "tags": "list"}
    values = {"plan": "pro", "address__city": "Oslo", "ltv": 3, "tags": '["x"]'}
    service = world.service(kind, attributes=types, settings=settings, list_description="d")
    list(service.check("First"))
    target = service.ensure_list("First")
    service.get_list(target.id)
    members = [person(each, kind, **values) for each in [*people, "stranger@example.com"]]
    service.add(target, members)
    world.project.finish()
    service.add(target, members)
    service.update(target, [changed(people[0], kind, plan=("pro", None), ltv=(3, 4.5))])
    world.project.finish()
    service.remove(target, members[:5])
    if not (world.project.type == EMAIL and kind == USER_ID):
        assert len(list(service.members(target))) == 25


@pytest.mark.parametrize("update_call", ["bulk_update", "subscribe"])
@pytest.mark.parametrize(
    ("project_type", "kind"),
    [(EMAIL, EMAIL), (EMAIL, USER_ID), (HYBRID, EMAIL), (HYBRID, USER_ID), (USER_ID, USER_ID)],
)
def test_every_request_is_allowed(
    iterable: IterableWorld, api: Description, project_type: str, kind: str, update_call: str
) -> None:
    world = iterable.of_type(project_type)
    run_everything(world, kind, update_call=update_call)
    for entry in world.sandbox.requests:
        # Doctor's question about the write permission names nobody, which is refused for that; so is who is unknown.
        probe = entry.endpoint in ("post_users_bulkUpdate", "get_users_byUserId") and entry.status == 400
        assert entry.status == 200 or probe, (entry.endpoint, entry.answer)
        assert api.request_problems(entry) == [], (entry.method, entry.path, entry.body)
    seen = {entry.endpoint for entry in world.sandbox.requests}
    look_up = "get_users_getByEmail" if kind == EMAIL else "get_users_byUserId"
    comparing = {"get_lists_getUsers", "get_lists_listId_size"}
    assert seen == {
        "get_lists",
        "post_lists",
        "post_lists_subscribe",
        "post_lists_unsubscribe",
        "post_users_bulkUpdate",
        "get_users_getFields",
        look_up,
        *(set() if (project_type, kind) == (EMAIL, USER_ID) else comparing),
    }


def test_a_wrong_request_would_be_noticed(iterable: IterableWorld, api: Description) -> None:
    iterable.seed({"email": "ann@example.com"})
    target = iterable.make_list()
    iterable.service().add(target, [person("ann@example.com")])
    list(iterable.service().members(target))
    entries = {entry.endpoint: entry for entry in iterable.sandbox.requests}
    subscribe, members = entries["post_lists_subscribe"], entries["get_lists_getUsers"]
    wrong: list[dict[str, Any]] = [
        {"listId": "1", "subscribers": []},
        {"subscribers": []},
        {"listId": 1, "subscribers": [{"mail": "a"}]},
        {"listId": 1, "subscribers": [{"email": 7}]},
    ]
    for body in wrong:
        subscribe.body = orjson.dumps(body)
        assert len(api.request_problems(subscribe)) == 1
    for query in ("", "listId=x", "listId=1&size=2"):
        members.query_string = query
        assert len(api.request_problems(members)) == 1


def test_the_key_and_the_wanted_form_are_in_the_headers(iterable: IterableWorld) -> None:
    target = iterable.make_list()
    list(iterable.service().members(target))
    iterable.service().find_list("x")
    for entry in iterable.sandbox.requests:
        wanted = "text/plain" if entry.endpoint == "get_lists_getUsers" else "application/json"
        assert entry.headers["accept"] == wanted
        assert entry.headers["user-agent"].startswith("audience-assets/")
        assert "api-key" not in entry.headers, "the sandbox's log leaves credentials out"

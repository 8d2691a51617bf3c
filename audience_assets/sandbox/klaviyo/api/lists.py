"""Lists: find, create, rename, delete."""

from __future__ import annotations

from typing import Any

from audience_assets.sandbox.klaviyo import render
from audience_assets.sandbox.klaviyo.call import EXTRA_SMALL, MEDIUM, Call, Operation, answer
from audience_assets.sandbox.klaviyo.documents import resource
from audience_assets.sandbox.klaviyo.errors import refusal
from audience_assets.sandbox.klaviyo.filters import ANY, Field, Kind
from audience_assets.sandbox.klaviyo.lists import DOUBLE, SINGLE, KlaviyoList
from audience_assets.sandbox.klaviyo.paging import links, paginate
from audience_assets.sandbox.klaviyo.query import QuerySpec
from audience_assets.sandbox.messages import Response
from audience_assets.sandbox.windows import Window

READ = frozenset({"lists:read"})
WRITE = frozenset({"lists:write"})
KINDS = frozenset({"list", "tag", "flow"})
INCLUDE = frozenset({"tags", "flow-triggers"})
GREATER = frozenset({"greater-than"})
OPT_IN_SETTABLE_SINCE = "2025-10-15"


def get_lists(call: Call) -> Response:
    query = call.query

    def wanted(position: int) -> KlaviyoList | None:
        each = call.account.list_at(position)
        if each is None:
            return None
        return each if all(c.holds(getattr(each, c.field)) for c in query.conditions) else None

    positions = _sorted(call) if query.sort in ("name", "id", "updated") else call.account.list_positions
    if isinstance(positions, list):
        order = positions
        found, following, previous = paginate(range(len(order)), lambda at: wanted(order[at]), query)
    else:
        found, following, previous = paginate(positions, wanted, query)
    document: dict[str, Any] = {
        "data": [render.list_resource(call.base, each, query) for each in found],
        "links": links(call.address, query, following, previous),
    }
    if query.include:
        document["included"] = []
    return answer(200, document, rows=len(found))


def _sorted(call: Call) -> list[int]:
    def key(position: int) -> Any:
        each = call.account.list_at(position)
        return getattr(each, call.query.sort)

    alive = [at for at in call.account.list_positions if call.account.list_at(at) is not None]
    return sorted(alive, key=key)


def create_list(call: Call) -> Response:
    data = resource(call.body, "list", attributes=("name", "opt_in_process"))
    name, process = _checked(call, data["attributes"])
    if name is None:
        raise refusal(400, "'name' is required.", pointer="/data/attributes/name")
    if not call.request.applied:
        created = KlaviyoList(call.account.new_id(), name, process or DOUBLE, call.now)
    else:
        created = call.account.add_list(name, process, call.now)
    return _one(call, created, 201, fresh=True)


def get_list(call: Call) -> Response:
    return _one(call, call.list_or_404(), 200)


def update_list(call: Call) -> Response:
    found = call.list_or_404()
    data = resource(call.body, "list", attributes=("name", "opt_in_process"))
    if data.get("id") != found.id:
        raise refusal(400, "'id' must repeat the id of the path.", pointer="/data/id")
    name, process = _checked(call, data["attributes"])
    if call.request.applied:
        found.name = name or found.name
        found.opt_in_process = process or found.opt_in_process
        found.updated = call.now
    return _one(call, found, 200)


def delete_list(call: Call) -> Response:
    found = call.list_or_404()
    if call.request.applied:
        call.account.delete_list(found)
    return answer(204)


def _checked(call: Call, attributes: dict[str, Any]) -> tuple[str | None, str | None]:
    name, process = attributes.get("name"), attributes.get("opt_in_process")
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise refusal(400, "'name' must be a text.", pointer="/data/attributes/name")
    pointer = "/data/attributes/opt_in_process"
    if "opt_in_process" in attributes and call.revision < OPT_IN_SETTABLE_SINCE:
        raise refusal(400, "'opt_in_process' is not a valid field for the resource 'list'.", pointer=pointer)
    if process not in (None, SINGLE, DOUBLE):
        raise refusal(400, f"'opt_in_process' must be '{DOUBLE}' or '{SINGLE}'.", pointer=pointer)
    return name, process


def _one(call: Call, each: KlaviyoList, status: int, *, fresh: bool = False) -> Response:
    document: dict[str, Any] = {
        "data": render.list_resource(call.base, each, call.query, fresh=fresh),
        "links": {"self": call.address},
    }
    if call.query.include:
        document["included"] = []
    return answer(status, document, rows=1)


FIELDS = QuerySpec(fields=frozenset({"list"}))
OPERATIONS = (
    Operation(
        "get_lists",
        "GET",
        "/api/lists",
        get_lists,
        READ,
        query=QuerySpec(
            fields=KINDS,
            include=INCLUDE,
            filters={
                "name": Field(Kind.TEXT, ANY),
                "id": Field(Kind.TEXT, ANY),
                "created": Field(Kind.MOMENT, GREATER),
                "updated": Field(Kind.MOMENT, GREATER),
            },
            sorts=frozenset({"name", "id", "created", "updated"}),
            page_size=(10, 10),
        ),
    ),
    Operation(
        "create_list",
        "POST",
        "/api/lists",
        create_list,
        WRITE,
        limits=(*MEDIUM, Window(150, 86_400)),
        query=FIELDS,
    ),
    Operation(
        "get_list",
        "GET",
        "/api/lists/{id}",
        get_list,
        READ,
        variants={"profile_count": EXTRA_SMALL},
        query=QuerySpec(fields=KINDS, include=INCLUDE, additional={"list": frozenset({"profile_count"})}),
    ),
    Operation("update_list", "PATCH", "/api/lists/{id}", update_list, WRITE, limits=MEDIUM, query=FIELDS),
    Operation("delete_list", "DELETE", "/api/lists/{id}", delete_list, WRITE, limits=MEDIUM),
)

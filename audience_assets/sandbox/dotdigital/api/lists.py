"""Lists: find, create, change, delete. There is no search by name, and no field but these four."""

from __future__ import annotations

from typing import Any

from audience_assets.sandbox.dotdigital.call import HIGH, MEDIUM, Call, Operation, answer
from audience_assets.sandbox.dotdigital.errors import v2
from audience_assets.sandbox.dotdigital.lists import LONGEST_NAME, PRIVATE, PUBLIC, ContactList
from audience_assets.sandbox.dotdigital.render import list_object
from audience_assets.sandbox.messages import Response


def get_lists(call: Call) -> Response:
    return _page(call, call.account.every_list())


def get_private_lists(call: Call) -> Response:
    return _page(call, [each for each in call.account.every_list() if each.visibility == PRIVATE])


def get_public_lists(call: Call) -> Response:
    return _page(call, [each for each in call.account.every_list() if each.visibility == PUBLIC])


def _page(call: Call, lists: list[ContactList]) -> Response:
    select, skip = call.select_skip()
    found = [list_object(each) for each in lists[skip : skip + select]]
    return answer(200, found, rows=len(found))


def create_list(call: Call) -> Response:
    name, visibility = _checked(call.body)
    account = call.account
    if account.is_taken(name):
        raise v2(400, "ERROR_ADDRESSBOOK_DUPLICATE")
    limit = account.settings.list_limit
    if limit is not None and len(account.every_list()) >= limit:
        raise v2(400, "ERROR_ADDRESSBOOK_LIMITEXCEEDED")
    if call.request.applied:
        made = account.add_list(name, visibility or PRIVATE)
    else:
        made = ContactList(0, name, visibility or PRIVATE)
    return answer(account.switches.created_status, list_object(made), rows=1)


def get_list(call: Call) -> Response:
    return answer(200, list_object(call.list_or_404()), rows=1)


def update_list(call: Call) -> Response:
    """The name is required even when only the visibility changes."""
    found = call.writable_list()
    name, visibility = _checked(call.body)
    if call.account.is_taken(name, besides=found):
        raise v2(400, "ERROR_ADDRESSBOOK_DUPLICATE")
    if call.request.applied:
        found.name, found.visibility = name, visibility or found.visibility
    return answer(200, list_object(found), rows=1)


def delete_list(call: Call) -> Response:
    found = call.writable_list()
    if call.request.applied:
        call.account.remove_list(found)
    return answer(204)


def _checked(body: Any) -> tuple[str, str | None]:
    name = body.get("name") if isinstance(body, dict) else None
    visibility = body.get("visibility") if isinstance(body, dict) else None
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME or visibility not in (None, PRIVATE, PUBLIC):
        raise v2(400, "ERROR_ADDRESSBOOK_INVALID")
    return name, visibility


OPERATIONS = (
    Operation("get_lists", "GET", "/v2/address-books", get_lists, MEDIUM),
    Operation("get_private_lists", "GET", "/v2/address-books/private", get_private_lists, MEDIUM),
    Operation("get_public_lists", "GET", "/v2/address-books/public", get_public_lists, MEDIUM),
    Operation("create_list", "POST", "/v2/address-books", create_list, MEDIUM),
    Operation("get_list", "GET", "/v2/address-books/{id}", get_list, HIGH),
    Operation("update_list", "PUT", "/v2/address-books/{id}", update_list, MEDIUM),
    Operation("delete_list", "DELETE", "/v2/address-books/{id}", delete_list, MEDIUM),
)

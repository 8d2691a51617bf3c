"""Members of contact lists: add, remove, replace, count, read."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson

from audience_assets.sandbox.emarsys.answers import UNKNOWN, Refusal, envelope, no_value, row_errors, several, unknown
from audience_assets.sandbox.emarsys.call import Call, Operation, no_such_list
from audience_assets.sandbox.messages import Response

MOST_IDS_A_PAGE = 100_000
USUAL_PAGE = 10_000


def add_members(call: Call) -> Response:
    found, target, errors, rows = _change(call)
    new = target.add(found) if call.applied else len(found)
    counted = len(found) if call.switches.count_repeated else new
    return envelope({"inserted_contacts": counted, "errors": row_errors(errors)}, rows=rows)


def remove_members(call: Call) -> Response:
    found, target, errors, rows = _change(call)
    gone = target.remove(found) if call.applied else len(found)
    counted: Any = str(gone) if call.switches.numbers_as_text else gone
    return envelope({"deleted_contacts": counted, "errors": row_errors(errors)}, rows=rows)


def replace_members(call: Call) -> Response:
    target = call.the_list(_invalid_list(call))
    values = change_ids(call)
    errors: dict[str, dict[str, str]] = {}
    found = matched(call, call.key(), values, errors, long=False)
    if call.applied:
        target.remove(set(target.members))
        target.add(found)
    return envelope({"inserted_contacts": len(found), "errors": row_errors(errors)}, rows=len(values))


def count_members(call: Call) -> Response:
    return envelope(len(call.the_list(no_such_list).members))


def read_members(call: Call) -> Response:
    """A page of internal ids. `next` has neither host nor version."""
    if call.version == "v3" and not call.switches.contact_ids_on_v3:
        raise Refusal(404, None, "Not Found")
    target = call.the_list(no_such_list)
    query = {unquote(name): value for name, value in call.request.query()}
    size, after = query.get("$top", str(USUAL_PAGE)), query.get("$skiptoken", "0")
    if not size.isdigit() or not 1 <= int(size) <= MOST_IDS_A_PAGE:
        raise Refusal(400, 10001, "$top is not an integer or too large")
    if not after.isdigit():
        raise Refusal(400, 1001, "Invalid or missing parameters")
    found = target.page(int(after), int(size))
    more = bool(found) and bool(target.page(found[-1], 1))
    following = f"/contactlist/{target.id}/contactIds?$skiptoken={found[-1]}&$top={size}" if more else None
    page = {"value": found, "next": following}
    if call.switches.bare_pages:
        return Response(200, orjson.dumps(page), rows=len(found))
    return envelope(page, rows=len(found))


def _change(call: Call) -> tuple[list[int], Any, dict[str, dict[str, str]], int]:
    target = call.the_list(_invalid_list(call))
    values = change_ids(call)
    errors: dict[str, dict[str, str]] = {}
    found = matched(call, call.key(), values, errors, long=True)
    unknown_ones = sum(UNKNOWN in said for said in errors.values())
    least = {"": len(values) + 1, "all": len(values), "any": 1}[call.switches.refuse_unknown]
    if unknown_ones >= max(least, 1):
        raise Refusal(400, 2008, f"No contact found with the external id: {call.key()}")
    return found, target, errors, len(values)


def change_ids(call: Call) -> list[Any]:
    """`external_ids` of a call that changes a list."""
    values = call.field("external_ids")
    if not isinstance(values, list):
        raise Refusal(400, 3003, "External ids is not an array")
    if len(values) > call.switches.list_change_cap:
        raise Refusal(400, 3002, f"Too many external ids, the limit is {call.switches.list_change_cap}")
    return values


def matched(call: Call, key: str, values: list[Any], errors: dict[str, dict[str, str]], *, long: bool) -> list[int]:
    """Internal ids of the contacts that exactly one has the value of; `errors` tells of the others."""
    found = []
    for value in map(str, values):
        contacts = call.account.contacts.find(key, value)
        told = call.told(value)
        if not value or value in call.account.refused:
            errors[told] = no_value(key)
        elif not contacts:
            errors[told] = unknown(key, told, long=long)
        elif len(contacts) > 1:
            errors[told] = several(key, told)
        else:
            found.append(contacts[0].id)
    return found


def _invalid_list(call: Call) -> Any:
    if call.switches.unknown_list_is_404:
        return no_such_list
    return lambda given: Refusal(400, 3004, f"Invalid contact list id: {given}")


OPERATIONS = (
    Operation("addContactsToContactList", "POST", "/contactlist/{id}/add", "contactlist.contact.add", add_members),
    Operation(
        "removeContactsFromContactList",
        "POST",
        "/contactlist/{id}/delete",
        "contactlist.contact.delete",
        remove_members,
    ),
    Operation("replaceContactList", "POST", "/contactlist/{id}/replace", "contactlist.replace", replace_members),
    Operation(
        "countContactsInContactLict", "GET", "/contactlist/{id}/count", "contactlist.contact.count", count_members
    ),
    Operation(
        "fetchContactsInContactList", "GET", "/contactlist/{id}/contactIds", "contactlist.contact.ids", read_members
    ),
)

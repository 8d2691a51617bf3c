"""Contact lists: list, create, rename, delete. https://dev.emarsys.com/docs/core-api-reference: "Contact lists" """

from __future__ import annotations

import unicodedata
from typing import Any

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.emarsys.account import ContactList
from audience_assets.sandbox.emarsys.answers import Refusal, envelope, row_errors
from audience_assets.sandbox.emarsys.api.members import change_ids, matched
from audience_assets.sandbox.emarsys.call import Call, Operation, no_such_list
from audience_assets.sandbox.messages import Response


def list_lists(call: Call) -> Response:
    lists = call.account.lists
    rows = [
        {"id": str(each.id), "name": each.name, "created": f"{as_datetime(each.created):%Y-%m-%d %H:%M:%S}"}
        | {"type": each.kind}
        for each in lists
    ]
    return envelope(rows, rows=len(rows))


def create_list(call: Call) -> Response:
    name = _name(call)
    values = change_ids(call) if call.field("external_ids") is not None else None
    errors: dict[str, dict[str, str]] = {}
    found = matched(call, call.key(), values, errors, long=True) if values is not None else []
    if call.applied:
        made = call.account.add_list(name, str(call.field("description") or ""))
        made.add(found)
    else:
        made = ContactList(0, name, call.account.now())
    data: dict[str, Any] = {"id": str(made.id) if call.switches.numbers_as_text else made.id}
    if values is not None:
        data["errors"] = row_errors(errors)
    return envelope(data, rows=len(values or ()))


def rename_list(call: Call) -> Response:
    found = call.the_list(no_such_list)
    name = _name(call, but=found)
    if call.applied:
        found.name = name
    return envelope({"id": found.id, "name": name})


def delete_list(call: Call) -> Response:
    found = call.the_list(no_such_list)
    if call.applied:
        call.account.delete_list(found)
    return envelope({})


def _name(call: Call, but: ContactList | None = None) -> str:
    name = call.field("name")
    if not isinstance(name, str) or not name.strip():
        raise Refusal(400, 3001, "Contact list name is not set")
    texts = (name, str(call.field("description") or ""))
    if any(unicodedata.category(letter).startswith("C") for text in texts for letter in text):
        raise Refusal(400, 3004, "Invalid characters in name or description")
    if call.account.has_list_named(name, but=but):
        raise Refusal(400, 3005, "Contact list with this name already exists")
    return name


OPERATIONS = (
    Operation("listContactLists", "GET", "/contactlist", "contactlist.list", list_lists),
    Operation("createContactList", "POST", "/contactlist", "contactlist.create", create_list),
    Operation("renameContactList", "POST", "/contactlist/{id}/rename", "contactlist.rename", rename_list),
    Operation("deleteContactList", "POST", "/contactlist/{id}/deletelist", "contactlist.delete", delete_list),
)

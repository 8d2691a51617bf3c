"""Lists: get, create, delete, size, members."""

from __future__ import annotations

from typing import Any

from audience_assets.sandbox.iterable.call import Call, Operation, answer, text
from audience_assets.sandbox.iterable.errors import bad_json, envelope, missing, refusal
from audience_assets.sandbox.iterable.lists import STANDARD, IterableList
from audience_assets.sandbox.iterable.users import HYBRID, USER_ID, User
from audience_assets.sandbox.messages import Response
from audience_assets.sandbox.windows import Window

FIVE_A_MINUTE = Window(5, 60)
HUNDRED_A_SECOND = Window(100, 1)
READS = "list reads"
PREVIEW, LARGEST_PREVIEW = 1000, 5000


def get_lists(call: Call) -> Response:
    """The whole project, newest first."""
    found = [_document(each) for each in reversed(call.project.lists)]
    return answer({"lists": found}, rows=len(found))


def _document(each: IterableList) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": each.id,
        "name": each.name,
        "createdAt": int(each.created * 1000),
        "listType": each.list_type,
    }
    return told | ({"description": each.description} if each.description else {})


def create_list(call: Call) -> Response:
    name, description = call.member("name", str, required=True), call.member("description", str)
    if not name.strip():
        raise bad_json(call.request.path, missing("name"))
    if not call.request.applied:
        return answer({"listId": 0})
    return answer({"listId": call.project.add_list(name, STANDARD, description, call.now).id})


def delete_list(call: Call) -> Response:
    number, project = call.ids["listId"], call.project
    found = project.find_list(int(number)) if number.isdigit() else None
    if found is None:
        msg = f"Unable to delete list {number} in Project {project.id}, which does not exist."
        raise refusal(400, "BadParams", msg)
    if found.in_use:
        raise refusal(409, "Conflict", f"List {number} is in use.")
    if call.request.applied:
        project.delete_list(found)
    return envelope(200, "Success", f"List {number} in Project {project.id} was successfully deleted.")


def get_size(call: Call) -> Response:
    """A bare number."""
    return answer(len(call.list_read()))


def get_users(call: Call) -> Response:
    """One identifier a line, without an end mark."""
    lines = _lines(call, call.list_read())
    cut = call.project.switches.cut_members_at
    lines = lines if cut is None else lines[:cut]
    return text("".join(f"{line}\n" for line in lines), rows=len(lines))


def preview_users(call: Call) -> Response:
    asked = call.query.get("size", str(PREVIEW))
    if not asked.isdigit():
        raise refusal(400, "BadParams", "Invalid parameter: size", {})
    lines = _lines(call, call.list_read())[: min(int(asked), LARGEST_PREVIEW)]
    return text("".join(f"{line}\n" for line in lines), rows=len(lines))


def _lines(call: Call, found: IterableList) -> list[str]:
    prefer = call.query.get("preferUserId") == "true" and call.project.type == HYBRID
    users = (call.project.users.by_number(number) for number in found)
    return [line for user in users if user is not None and (line := _line(call, user, prefer))]


def _line(call: Call, user: User, prefer_user_id: bool) -> str | None:
    if call.project.type == USER_ID:
        return user.user_id
    first, second = (user.user_id, user.email) if prefer_user_id else (user.email, user.user_id)
    return first or second


OPERATIONS = (
    Operation("get_lists", "GET", "/api/lists", get_lists, HUNDRED_A_SECOND),
    Operation("post_lists", "POST", "/api/lists", create_list, writes=True),
    Operation("delete_lists_listId", "DELETE", "/api/lists/{listId}", delete_list, writes=True),
    Operation("get_lists_listId_size", "GET", "/api/lists/{listId}/size", get_size, FIVE_A_MINUTE, READS),
    Operation("get_lists_getUsers", "GET", "/api/lists/getUsers", get_users, FIVE_A_MINUTE, READS),
    Operation("get_lists_previewUsers", "GET", "/api/lists/previewUsers", preview_users, FIVE_A_MINUTE, READS),
)

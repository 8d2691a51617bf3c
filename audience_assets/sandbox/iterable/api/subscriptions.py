"""Subscriptions: overwriting a user's lists, channels and message types, and the endpoints to be switched on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audience_assets.sandbox.iterable.bulk import Write, written_users
from audience_assets.sandbox.iterable.call import Call, Operation, answer, is_kind
from audience_assets.sandbox.iterable.errors import bad_json, envelope, refusal
from audience_assets.sandbox.iterable.identify import CONFLICT, FORGOTTEN, Failure, identify
from audience_assets.sandbox.iterable.users import User
from audience_assets.sandbox.messages import Response

ARRAYS = ("emailListIds", "unsubscribedChannelIds", "unsubscribedMessageTypeIds", "subscribedMessageTypeIds")
GROUPS = {"emaillist": "emailList", "messagetype": "messageType", "messagechannel": "messageChannel"}
GROUP = "/api/subscriptions/{subscriptionGroup}/{subscriptionGroupId}"


def update_subscriptions(call: Call) -> Response:
    """One user. Every array that is given replaces the stored one."""
    _check_arrays(call, call.body, "obj")
    found = identify(call.project, call.body, create=True)
    if isinstance(found, Failure):
        if found.kind in (CONFLICT, FORGOTTEN):
            raise refusal(409, "Conflict", "The user can't be written")
        raise refusal(400, "InvalidEmailAddressError", "Invalid identifier")
    body = dict(call.body)
    call.later(lambda now: _overwrite(call, written_users(call, Write(found, {}, merge=False), now), body))
    return envelope(200, "Success")


def bulk_update_subscriptions(call: Call) -> Response:
    rows = call.rows("updateSubscriptionsRequests", {"email": str, "userId": str})
    told: dict[str, Any] = {"successCount": 0, "failCount": 0}
    told |= {name: [] for name in ("invalidEmails", "invalidUserIds", "validEmailFailures", "validUserIdFailures")}
    for index, row in enumerate(rows):
        _check_arrays(call, row, f"obj.updateSubscriptionsRequests[{index}]")
        found = identify(call.project, row, create=True)
        if isinstance(found, Failure):
            told["failCount"] += 1
            for where, value in found.named.items():
                told[f"invalid{where}"].append(value)
        else:
            told["successCount"] += 1
            _later(call, Write(found, {}, merge=False), row)
    return answer(told, rows=len(rows))


def _later(call: Call, write: Write, row: dict[str, Any]) -> None:
    call.later(lambda now: _overwrite(call, written_users(call, write, now), row))


def _check_arrays(call: Call, row: dict[str, Any], path: str) -> None:
    for name in ARRAYS:
        value = row.get(name)
        if value is not None and not (isinstance(value, list) and all(is_kind(each, int) for each in value)):
            raise bad_json(call.request.path, {f"{path}.{name}": "Array value expected"})
    if row.get("subscribedMessageTypeIds"):
        raise refusal(400, "BadParams", "Opt-in message types are not enabled for the project", {})


def _overwrite(call: Call, users: Sequence[User], row: dict[str, Any]) -> None:
    for user in users:
        if row.get("emailListIds") is not None:
            for each in call.project.lists:
                (each.add if each.id in row["emailListIds"] else each.remove)(user.number)
        if row.get("unsubscribedChannelIds") is not None:
            user.unsubscribed_channels = set(row["unsubscribedChannelIds"])
        types = {name: row[name] for name in ARRAYS[2:] if row.get(name) is not None}
        if types:
            user.message_types = {**(user.message_types or {}), **types}


def change_group(call: Call) -> Response:
    """Many users of one list, channel or message type; nothing is told of each."""
    _enabled(call)
    action = call.query.get("action")
    if action not in ("subscribe", "unsubscribe"):
        raise refusal(400, "BadParams", "Invalid parameter: action", {})
    emails, ids = call.member("users", list) or [], call.member("usersByUserId", list) or []
    found = [call.project.users.by_email(str(each)) for each in emails]
    users = [user for user in found if user is not None]
    users += [user for each in ids for user in call.project.users.by_user_id(str(each))]
    return _change(call, users, subscribe=action == "subscribe")


def change_one(call: Call) -> Response:
    """PATCH subscribes, DELETE unsubscribes."""
    _enabled(call)
    email, user_id = call.ids.get("userEmail"), call.ids.get("userId")
    one = call.project.users.by_email(email) if email else None
    users = [one] if one else list(call.project.users.by_user_id(user_id or ""))
    if not users:
        raise refusal(404, "NotFound", "No such user")
    return _change(call, users, subscribe=call.request.method == "PATCH")


def _change(call: Call, users: Sequence[User], *, subscribe: bool) -> Response:
    group, number = GROUPS.get(call.ids["subscriptionGroup"].lower()), call.ids["subscriptionGroupId"]
    if group is None or not number.isdigit():
        raise refusal(404, "NotFound", "No such subscription group")
    target = call.project.find_list(int(number))
    if group == "emailList" and target is None:
        raise refusal(404, "NotFound", "No such list")

    def effect(_: float) -> None:
        for user in users:
            if group == "emailList" and target is not None:
                (target.add if subscribe else target.remove)(user.number)
            elif group == "messageChannel":
                held = user.unsubscribed_channels or set()
                user.unsubscribed_channels = held - {int(number)} if subscribe else held | {int(number)}

    call.later(effect)
    return envelope(200, "Success")


def double_opt_in(call: Call) -> Response:
    _enabled(call)
    return Response(202, b"Accepted", {"Content-Type": "text/plain; charset=utf-8"})


def _enabled(call: Call) -> None:
    if not call.project.switches.subscriptions_enabled:
        raise refusal(404, "NotFound", "endpoint not found")


def _named(method: str, path: str) -> str:
    return f"{method.lower()}_" + path.removeprefix("/api/").replace("{", "").replace("}", "").replace("/", "_")


def _operation(method: str, path: str, handler: Any) -> Operation:
    return Operation(_named(method, path), method, path, handler, writes=True)


OPERATIONS = (
    _operation("POST", "/api/users/updateSubscriptions", update_subscriptions),
    _operation("POST", "/api/users/bulkUpdateSubscriptions", bulk_update_subscriptions),
    _operation("POST", "/api/subscriptions/subscribeToDoubleOptIn", double_opt_in),
    _operation("PUT", GROUP, change_group),
    _operation("PATCH", f"{GROUP}/user/{{userEmail}}", change_one),
    _operation("DELETE", f"{GROUP}/user/{{userEmail}}", change_one),
    _operation("PATCH", f"{GROUP}/byUserId/{{userId}}", change_one),
    _operation("DELETE", f"{GROUP}/byUserId/{{userId}}", change_one),
)

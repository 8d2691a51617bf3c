"""Forgetting people (GDPR), channels and message types."""

from __future__ import annotations

from audience_assets.sandbox.iterable.api.lists import HUNDRED_A_SECOND
from audience_assets.sandbox.iterable.api.users import THREE_A_SECOND
from audience_assets.sandbox.iterable.call import Call, Operation, answer
from audience_assets.sandbox.iterable.errors import envelope, refusal
from audience_assets.sandbox.iterable.project import CHANNELS, hashed
from audience_assets.sandbox.iterable.users import EMAIL, USER_ID
from audience_assets.sandbox.messages import Response


def forget(call: Call) -> Response:
    kind, value = _identifier(call)
    if call.request.applied:
        call.project.forget(value) if kind == "Emails" else call.project.forgotten[kind].add(hashed(value))
        for user in list(call.project.users.by_user_id(value)) if kind == "UserIds" else ():
            call.project.delete_user(user)
    return envelope(200, "Success")


def unforget(call: Call) -> Response:
    kind, value = _identifier(call)
    if call.request.applied:
        call.project.forgotten[kind].discard(hashed(value))
    return envelope(200, "Success")


def _identifier(call: Call) -> tuple[str, str]:
    """What people are forgotten by depends on the project's type."""
    email, user_id = call.member("email", str), call.member("userId", str)
    if email is not None and call.project.type != USER_ID:
        return "Emails", email
    if user_id is not None and call.project.type != EMAIL:
        return "UserIds", user_id
    raise refusal(400, "BadParams", "Missing identifier")


def forgotten_emails(call: Call) -> Response:
    if call.project.type == USER_ID:
        raise refusal(400, "BadParams", "Not for userID-based projects")
    return answer({"hashedEmails": sorted(call.project.forgotten["Emails"])})


def forgotten_user_ids(call: Call) -> Response:
    if call.project.type == EMAIL:
        raise refusal(400, "BadParams", "Not for email-based projects")
    return answer({"hashedUserIds": sorted(call.project.forgotten["UserIds"])})


def get_channels(_: Call) -> Response:
    return answer({"channels": CHANNELS})


def get_message_types(_: Call) -> Response:
    return answer({"messageTypes": []})


OPERATIONS = (
    Operation("post_users_forget", "POST", "/api/users/forget", forget, THREE_A_SECOND, writes=True),
    Operation("post_users_unforget", "POST", "/api/users/unforget", unforget, THREE_A_SECOND, writes=True),
    Operation("get_users_forgotten", "GET", "/api/users/forgotten", forgotten_emails, THREE_A_SECOND),
    Operation("get_users_forgottenUserIds", "GET", "/api/users/forgottenUserIds", forgotten_user_ids, THREE_A_SECOND),
    Operation("get_channels", "GET", "/api/channels", get_channels, HUNDRED_A_SECOND),
    Operation("get_messageTypes", "GET", "/api/messageTypes", get_message_types, HUNDRED_A_SECOND),
)

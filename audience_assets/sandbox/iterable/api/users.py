"""Users: bulk and single updates, look-ups, fields, deletion."""

from __future__ import annotations

from typing import Any

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.iterable.api.lists import HUNDRED_A_SECOND
from audience_assets.sandbox.iterable.bulk import PERSON, Tally, Write, carry_out, mismatch, take_rows, written_users
from audience_assets.sandbox.iterable.call import Call, Operation, answer, is_kind
from audience_assets.sandbox.iterable.errors import bad_json, envelope, refusal
from audience_assets.sandbox.iterable.fields import without
from audience_assets.sandbox.iterable.identify import CONFLICT, FORGOTTEN, Failure, identify
from audience_assets.sandbox.iterable.users import EMAIL, USER_ID, User, is_email
from audience_assets.sandbox.messages import Response
from audience_assets.sandbox.windows import Window

THREE_A_SECOND = Window(3, 1)


def bulk_update(call: Call) -> Response:
    """Upserts: whoever is unknown is created."""
    rows = call.rows("users", PERSON)
    create_fields = call.member("createNewFields", bool)
    if not rows:
        raise refusal(400, "InvalidEmailAddressError", "Emails invalid: ")
    tally = Tally(call)
    carry_out(call, take_rows(call, rows, tally, create_users=True, create_fields=create_fields))
    # This call knows no notFound: an unknown user id of an email project is an invalid one.
    for where in ("Emails", "UserIds"):
        tally.named.setdefault(f"invalid{where}", []).extend(tally.named.pop(f"notFound{where}", []))
    return tally.answer()


def update(call: Call) -> Response:
    """One user, with everything wrong told by the status."""
    for name, kind in PERSON.items():
        value = call.body.get(name)
        if value is not None and not is_kind(value, kind):
            raise bad_json(call.request.path, {f"obj.{name}": "Invalid value"})
    found = _one(call, call.body, create=True)
    project, data = call.project, call.body.get("dataFields") or {}
    conflicts = project.fields.conflicts(data)
    if conflicts:
        raise mismatch(project.id, conflicts)
    wanted = call.member("createNewFields", bool)
    if project.switches.creates_fields if wanted is None else wanted:
        project.fields.create(data, str(project.id))
    else:
        data = without(data, set(project.fields.new_in(data)))
    write = Write(found, data, bool(call.body.get("mergeNestedObjects")))
    call.later(lambda now: _apply(call, write, now))
    return envelope(200, "Success")


def _apply(call: Call, write: Write, now: float) -> None:
    written_users(call, write, now)


def _one(call: Call, row: dict[str, Any], *, create: bool) -> Any:
    """Whom a single-user call means; refusals by status."""
    found = identify(call.project, row, create=create)
    if not isinstance(found, Failure):
        return found
    if found.kind == FORGOTTEN:
        raise refusal(409, "ForgottenUserError", "User has been forgotten")
    if found.kind == CONFLICT:
        raise refusal(409, "ExternalKeyConflict", "Identifiers belong to different users")
    email = row.get("email")
    if email is not None and not is_email(str(email)):
        raise refusal(400, "InvalidEmailAddressError", f"Invalid email: {email}")
    raise refusal(400, "UnknownUserIdError", "Unknown user")


def get_by_email(call: Call) -> Response:
    email = call.ids.get("email") or call.query.get("email") or ""
    if not is_email(email):
        raise refusal(400, "InvalidEmailAddressError", f"Invalid email: {email}")
    found = call.project.users.by_email(email)
    return answer({"user": document(call, found)} if found else {})


def get_by_user_id(call: Call) -> Response:
    user_id = call.ids.get("userId") or call.query.get("userId") or ""
    found = next(iter(call.project.users.by_user_id(user_id)), None)
    if found is not None:
        return answer({"user": document(call, found)})
    match call.project.switches.unknown_user_id:
        case "text":
            return Response(400, b"No user with that id exists!", {"Content-Type": "text/plain; charset=utf-8"})
        case "code":
            return envelope(500, "error.users.noUserWithIdExists", "No user with that id exists")
    return answer({})


def document(call: Call, user: User) -> dict[str, Any]:
    """A profile as it is read back."""
    project, lists = call.project, call.project.lists_of(user)
    data: dict[str, Any] = {
        **(user.data or {}),
        "signupSource": "API",
        "profileUpdatedAt": _when(user.updated),
        "itblInternal": {"documentCreatedAt": _when(user.created), "documentUpdatedAt": _when(user.updated)},
    }
    if lists or user.unsubscribed_channels:
        none: dict[str, list[int]] = {"unsubscribedMessageTypeIds": [], "subscribedMessageTypeIds": []}
        data |= {project.lists_field: lists, **none, **(user.message_types or {})}
        data["unsubscribedChannelIds"] = sorted(user.unsubscribed_channels or ())
    identity = {name: v for name, v in (("email", user.email), ("userId", user.user_id)) if v is not None}
    return {"email": user.email or "", **identity, "dataFields": {**identity, **data}}


def _when(moment: float) -> str:
    return f"{as_datetime(moment):%Y-%m-%d %H:%M:%S} +00:00"


def get_fields(call: Call) -> Response:
    return answer({"fields": call.project.fields.types}, rows=len(call.project.fields.types))


def delete_by_email(call: Call) -> Response:
    email = call.ids["email"]
    found = call.project.users.by_email(email) if call.project.type != USER_ID else None
    if found is None:
        raise refusal(400, "BadParams", f"User does not exist. Email: {email} UserId: ")
    call.later(lambda _: call.project.delete_user(found))
    return envelope(200, "Success")


def delete_by_user_id(call: Call) -> Response:
    """Everybody who has it: in email projects user ids repeat."""
    user_id = call.ids["userId"]
    found = list(call.project.users.by_user_id(user_id))
    if not found:
        raise refusal(400, "BadParams", f"No users with userId {user_id} exist")

    def effect(_: float) -> None:
        for user in found:
            call.project.delete_user(user)

    call.later(effect)
    return envelope(200, "Success")


def update_email(call: Call) -> Response:
    """Email projects only."""
    new = call.member("newEmail", str, required=True)
    if call.project.type != EMAIL:
        raise refusal(400, "BadParams", "updateEmail is for email-based projects")
    row = {"email": call.member("currentEmail", str), "userId": call.member("currentUserId", str)}
    found = _one(call, row, create=False)
    if not found.users or not is_email(new):
        raise refusal(400, "InvalidEmailAddressError", "Invalid email")
    if call.project.users.by_email(new) is not None:
        raise refusal(400, "EmailAlreadyExists", "Email already exists")
    call.later(lambda _: call.project.users.identify(found.users[0], new, None))
    return envelope(200, "Success")


def merge(call: Call) -> Response:
    """The source's data, lists and identifiers go to the destination; the source is deleted."""
    project = call.project
    source, target = (
        _one(call, {"email": call.member(f"{end}Email", str), "userId": call.member(f"{end}UserId", str)}, create=False)
        for end in ("source", "destination")
    )
    if not source.users or not target.users or source.users[0] is target.users[0]:
        raise refusal(400, "BadParams", "Merging takes two different users")
    lost, kept = source.users[0], target.users[0]

    def effect(_: float) -> None:
        for list_id in project.lists_of(lost):
            found = project.find_list(list_id)
            if found is not None:
                found.add(kept.number)
        kept.data = {**(lost.data or {}), **(kept.data or {})}
        project.delete_user(lost)

    call.later(effect)
    return envelope(200, "Success")


OPERATIONS = (
    Operation("post_users_bulkUpdate", "POST", "/api/users/bulkUpdate", bulk_update, Window(5, 1), writes=True),
    Operation("post_users_update", "POST", "/api/users/update", update, Window(500, 1), writes=True),
    Operation("post_users_updateEmail", "POST", "/api/users/updateEmail", update_email, writes=True),
    Operation("post_users_merge", "POST", "/api/users/merge", merge, Window(50, 1), writes=True),
    Operation("get_users_getFields", "GET", "/api/users/getFields", get_fields, THREE_A_SECOND),
    Operation("get_users_getByEmail", "GET", "/api/users/getByEmail", get_by_email, HUNDRED_A_SECOND),
    Operation("get_users_byUserId", "GET", "/api/users/byUserId", get_by_user_id, HUNDRED_A_SECOND),
    Operation("get_users_byUserId_userId", "GET", "/api/users/byUserId/{userId}", get_by_user_id, HUNDRED_A_SECOND),
    Operation(
        "delete_users_byUserId_userId",
        "DELETE",
        "/api/users/byUserId/{userId}",
        delete_by_user_id,
        HUNDRED_A_SECOND,
        writes=True,
    ),
    Operation("get_users_email", "GET", "/api/users/{email}", get_by_email, HUNDRED_A_SECOND),
    Operation("delete_users_email", "DELETE", "/api/users/{email}", delete_by_email, HUNDRED_A_SECOND, writes=True),
)

"""Writing many people at once: what subscribe and bulkUpdate have in common, and the answer they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from audience_assets.sandbox.iterable.call import Call, answer
from audience_assets.sandbox.iterable.errors import refusal
from audience_assets.sandbox.iterable.fields import Conflict, without
from audience_assets.sandbox.iterable.identify import INVALID, INVALID_DATA, Failure, Meant, identify
from audience_assets.sandbox.iterable.users import EMAIL, User, is_email
from audience_assets.sandbox.messages import Response

KINDS = ("invalid", "notFound", "invalidData", "conflict", "forgotten")
PERSON = {"email": str, "userId": str, "dataFields": dict, "preferUserId": bool, "mergeNestedObjects": bool}


@dataclass
class Tally:
    """The answer while it grows."""

    call: Call
    succeeded: int = 0
    failed: int = 0
    named: dict[str, list[str]] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)

    def fail(self, failure: Failure) -> None:
        self.failed += 1
        for where, value in failure.named.items():
            lower = self.call.project.switches.echo == "lower" and where == "Emails"
            self.named.setdefault(f"{failure.kind}{where}", []).append(value.lower() if lower else value)

    def answer(self) -> Response:
        rows = self.succeeded + self.failed
        told: dict[str, Any] = {"successCount": self.succeeded, "failCount": self.failed}
        told["invalidEmails"] = self.named.get("invalidEmails", [])
        if self.call.project.switches.answers == "old":
            return answer(told, rows=rows)
        told["invalidUserIds"] = self.named.get("invalidUserIds", [])
        told["filteredOutFields"], told["createdFields"] = sorted(self.dropped), sorted(self.created)
        told["failedUpdates"] = {
            f"{kind}{where}": self.named.get(f"{kind}{where}", []) for kind in KINDS for where in ("Emails", "UserIds")
        }
        return answer(told, rows=rows)


@dataclass(slots=True)
class Write:
    """One row that will be carried out."""

    meant: Meant
    data: dict[str, Any]
    merge: bool


def take_rows(
    call: Call, rows: Sequence[dict[str, Any]], tally: Tally, *, create_users: bool, create_fields: bool | None
) -> list[Write]:
    """Judge every row now; nothing is changed but the catalogue of fields.

    `create_users` false skips unknown users where the project type honours it.
    """
    project = call.project
    if project.switches.type_conflict == "request":
        conflicts = [each for row in rows for each in project.fields.conflicts(row.get("dataFields") or {})]
        if conflicts:
            raise mismatch(project.id, conflicts)
    may_create = project.switches.creates_fields if create_fields is None else create_fields
    writes = []
    for row in rows:
        data = row.get("dataFields") or {}
        found = identify(project, row, create=create_users or project.type == EMAIL)
        failure = found if isinstance(found, Failure) else _data_failure(call, row, data)
        if failure is not None:
            tally.fail(failure)
            continue
        assert isinstance(found, Meant)  # noqa: S101
        writes.append(
            Write(found, _known_fields(call, data, tally, create=may_create), bool(row.get("mergeNestedObjects")))
        )
        tally.succeeded += 1
    return writes


def _data_failure(call: Call, row: dict[str, Any], data: dict[str, Any]) -> Failure | None:
    named = {"Emails": row["email"]} if row.get("email") is not None else {"UserIds": str(row.get("userId"))}
    inner = data.get("email")
    if inner is not None and not (isinstance(inner, str) and is_email(inner)):
        return Failure(INVALID, named)
    refused = next(iter(named.values())) in call.project.refused_data and bool(data)
    return Failure(INVALID_DATA, named) if refused or call.project.fields.conflicts(data) else None


def _known_fields(call: Call, data: dict[str, Any], tally: Tally, *, create: bool) -> dict[str, Any]:
    """The data less what the project keeps no field for."""
    fields = call.project.fields
    if create:
        tally.created.update(fields.create(data, str(call.project.id)))
        return data
    unknown = set(fields.new_in(data))
    tally.dropped |= unknown
    return without(data, unknown)


def mismatch(project: int, conflicts: Sequence[Conflict]) -> Exception:
    """The whole request is refused for values of the wrong type."""
    first = conflicts[0]
    msg = (
        f"Project {project}: Field '{first.name}' already exists for type 'user' and has a data type of "
        f"'{first.expected}' but possible types '{', '.join(first.incoming)}' in the request."
    )
    errors = {each.name: each.told() for each in reversed(conflicts)}
    return refusal(400, "RequestFieldsTypesMismatched", msg, {"validationErrors": errors})


def carry_out(call: Call, writes: Sequence[Write], then: Callable[[User], None] | None = None) -> None:
    """Apply the rows once they are due: create, update, and whatever `then` does with each user."""

    def effect(now: float) -> None:
        for write in writes:
            for user in written_users(call, write, now):
                if then is not None:
                    then(user)

    call.later(effect)


def written_users(call: Call, write: Write, now: float) -> list[User]:
    """The users of a row with its identifiers and data written; made where there is none yet."""
    project, meant = call.project, write.meant
    users = [user for user in meant.users if project.users.by_number(user.number) is user]
    if not users:
        again = identify(project, {"email": meant.email, "userId": meant.user_id, "preferUserId": True}, create=True)
        if isinstance(again, Failure):
            return []
        users = again.users or [project.users.create(now, again.email, again.user_id)]
    for user in users:
        project.users.identify(user, None, meant.user_id)
        if write.data:
            write_data(call, user, write.data, merge=write.merge)
        user.updated = now
    return users


def write_data(call: Call, user: User, data: dict[str, Any], *, merge: bool) -> None:
    """Top-level fields that are not named stay; null deletes; an object is replaced whole unless merged."""
    project = call.project
    rest = dict(data)
    project.users.identify(user, rest.pop("email", None), rest.pop("userId", None))
    lists = rest.pop(project.lists_field, None)
    if lists is not None:
        for each in project.lists:
            (each.add if each.id in lists else each.remove)(user.number)
    user.data = merged(user.data or {}, rest) if merge else {**(user.data or {}), **rest}
    user.data = {name: value for name, value in user.data.items() if value is not None}


def merged(held: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    found = dict(held)
    for name, value in given.items():
        before = found.get(name)
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict) and isinstance(before, dict):
            found[name] = merged(before, value)
        else:
            found[name] = value
    return found

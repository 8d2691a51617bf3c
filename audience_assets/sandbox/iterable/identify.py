"""Which user a row of a request means, by the rules of the project's type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.iterable.users import EMAIL, USER_ID, User, is_email, is_user_id

if TYPE_CHECKING:
    from audience_assets.sandbox.iterable.project import IterableProject

INVALID, NOT_FOUND, CONFLICT, FORGOTTEN, INVALID_DATA = "invalid", "notFound", "conflict", "forgotten", "invalidData"
# The row can't be named, so it is only counted.
UNNAMED = "unnamed"


@dataclass(slots=True)
class Failure:
    """Why a row failed, and the identifiers that the answer lists: "Emails" or "UserIds" -> value."""

    kind: str
    named: dict[str, str]


@dataclass(slots=True)
class Meant:
    """Users to write to; none means that one is to be created with these identifiers."""

    email: str | None = None
    user_id: str | None = None
    users: list[User] = field(default_factory=list)


def identify(project: IterableProject, row: Mapping[str, Any], *, create: bool) -> Meant | Failure:
    """`create` false is what updateExistingUsersOnly and unsubscribe want, as far as the project type grants it."""
    email, user_id = row.get("email"), row.get("userId")
    fault = _fault(project, email, user_id)
    if fault is not None:
        return fault
    if project.type == EMAIL:
        return _in_email_project(project, row, email, user_id)
    if project.type == USER_ID:
        users = project.users.by_user_id(str(user_id))
        named: dict[str, str] = {"UserIds": str(user_id)}
    else:
        found = _in_hybrid(project, email, user_id)
        if isinstance(found, Failure):
            return found
        users = found
        named = {"Emails": email} if email is not None else {"UserIds": str(user_id)}
    if not users and not create:
        return Failure(NOT_FOUND, named)
    return Meant(email, user_id, users)


def _fault(project: IterableProject, email: str | None, user_id: str | None) -> Failure | None:
    if email is None and user_id is None:
        return Failure(UNNAMED, {})
    if email is not None and not is_email(email):
        return Failure(INVALID, {"Emails": email})
    if user_id is not None and not is_user_id(user_id):
        return Failure(INVALID, {"UserIds": user_id})
    if project.type == USER_ID and user_id is None:
        return Failure(INVALID, {"Emails": str(email)})
    if email is not None and project.is_forgotten("Emails", email):
        return Failure(FORGOTTEN, {"Emails": email})
    if user_id is not None and project.is_forgotten("UserIds", user_id):
        return Failure(FORGOTTEN, {"UserIds": user_id})
    return None


def _in_email_project(
    project: IterableProject, row: Mapping[str, Any], email: str | None, user_id: str | None
) -> Meant | Failure:
    """An address selects or makes a profile; a user id alone makes one only with preferUserId."""
    if email is not None:
        found = project.users.by_email(email)
        return Meant(email, user_id, [found] if found else [])
    users = project.users.by_user_id(str(user_id))
    if users:
        return Meant(None, user_id, users)
    if row.get("preferUserId"):
        return Meant(f"{user_id}@placeholder.email", user_id)
    return Failure(NOT_FOUND, {"UserIds": str(user_id)})


def _in_hybrid(project: IterableProject, email: str | None, user_id: str | None) -> list[User] | Failure:
    by_email = project.users.by_email(email) if email is not None else None
    by_id = next(iter(project.users.by_user_id(user_id)), None) if user_id is not None else None
    if by_email is not None and by_id is not None and by_email is not by_id:
        existing = project.switches.conflict_names == "existing"
        return Failure(CONFLICT, {"Emails": str((by_id.email if existing else None) or email)})
    clash = by_email if by_email is not None and user_id and by_email.user_id not in (None, user_id) else None
    if clash is not None:
        existing = project.switches.conflict_names == "existing"
        return Failure(CONFLICT, {"UserIds": str(clash.user_id if existing else user_id)})
    user = by_email or by_id
    return [user] if user else []

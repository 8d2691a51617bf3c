"""What a mapping may name: one identifier that fits the project, and fields that are not Iterable's own.

Iterable support, "Project Types and Unique Identifiers" and "User Profile Fields Used by Iterable".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel

from audience_assets.destinations.base import Mapped, MappingFault, Misconfigured
from audience_assets.destinations.iterable.settings import EMAIL, USER_ID, IterableSettings

IDENTIFIERS = (EMAIL, USER_ID)

# Iterable writes these itself; the lists of ids decide what people get.
_MANAGED = frozenset(
    {
        "itblInternal",
        "itblUserId",
        "itblDS",
        "profileUpdatedAt",
        "signupSource",
        "emailListIds",
        "userListIds",
        "subscribedMessageTypeIds",
        "unsubscribedMessageTypeIds",
        "unsubscribedChannelIds",
        "devices",
        "phoneNumberDetails",
        "receivedSMSDisclaimer",
        "createdAt",
    }
)
# As attributes these would give the profile another identity.
_IDENTITY = {"email": EMAIL, "userId": USER_ID}
_CONTROLS = frozenset({"preferUserId", "mergeNestedObjects", "createNewFields"})
_USER_ID = re.compile(r"[!-~](?:[ -~]{0,50}[!-~])?")


def mapping_faults(settings: BaseModel | None, _: BaseModel, mapped: Mapped) -> Iterator[MappingFault]:
    """Everything wrong with the mapping; the project type is held against it where it is known."""
    kinds = [kind for kind in IDENTIFIERS if kind in mapped.identifiers]
    if len(kinds) != 1:
        yield MappingFault(
            ("identifiers",),
            "iterable.contact_list matches people by one identifier: map email or user_id"
            + (", not both" if kinds else ""),
        )
    elif isinstance(settings, IterableSettings) and settings.project_type == USER_ID and kinds == [EMAIL]:
        message = "the Iterable project identifies people by user id: e-mail addresses may repeat there"
        yield MappingFault(("identifiers", EMAIL), message, "map user_id")
    names = list(mapped.attributes)
    for name in names:
        fault = _fault_of(name)
        if fault is None and any(other.startswith(f"{name}.") for other in names):
            fault = "other mapped fields are parts of it; map the whole or its parts"
        if fault is not None:
            yield MappingFault(("fields", name), f"{name!r} can't be mapped: {fault}")


def _fault_of(name: str) -> str | None:
    top = name.partition(".")[0]
    if top in _MANAGED:
        return "Iterable writes this field itself"
    if name in _IDENTITY:
        return f"it would give people another identity; map identifiers.{_IDENTITY[name]}"
    if top in _CONTROLS:
        return "it means something else to Iterable"
    if not all(part.strip() == part and part for part in name.split(".")):
        return "a part of its name is empty or begins or ends with a blank"
    return None


def require_sound(settings: IterableSettings, options: BaseModel, mapped: Mapped) -> str:
    """The identifier that people are matched by. Misconfigured if the mapping has faults."""
    faults = [fault.message for fault in mapping_faults(settings, options, mapped)]
    if faults:
        raise Misconfigured("; ".join(faults))
    return next(kind for kind in IDENTIFIERS if kind in mapped.identifiers)


def user_id_fault(user_id: str) -> str | None:
    """Why Iterable takes no such user id, or None. Printable ASCII, at most 52 characters, no blanks around it."""
    if len(user_id) > 52:
        return "it has more than 52 characters"
    return None if _USER_ID.fullmatch(user_id) else "it holds something else than printable ASCII"

"""The one identifier a list matches by, as the warehouse has it and as Dotdigital writes it.

contact_id   contactId      a whole number, given by Dotdigital
email        email          in lower case
phone        mobileNumber   E.164 without the plus: all samples of the vendor's are digits, and nothing says that it
                            takes a plus
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audience_assets.destinations.base import Issue, Member, Outcome, Recheck, Status
from audience_assets.destinations.identifiers import Refused, normal_email, normal_phone

WIRE_NAMES = {"contact_id": "contactId", "email": "email", "phone": "mobileNumber"}
# The removal call takes 32-bit numbers only, and nobody may be added who can't be removed again.
_HIGHEST_ID = 2**31 - 1

Key = str | int


@dataclass(slots=True)
class Row:
    """A member on the way. `key` is the identifier as Dotdigital writes it."""

    member: Member
    key: Key
    contact_id: int | None = None
    status: Status | None = None
    issues: list[Issue] = field(default_factory=list)

    def settle(self, status: Status, issue: Issue | None = None) -> None:
        """What became of it."""
        self.status = status
        if issue is not None:
            self.issues.append(issue)

    def reject(self, reason: str, detail: str | None, recheck: Recheck = Recheck.WHEN_CHANGED) -> None:
        self.settle(Status.REJECTED, Issue(reason, detail, recheck=recheck))

    def outcome(self) -> Outcome:
        vendor_id = None if self.contact_id is None else str(self.contact_id)
        return Outcome(self.member.identifier, self.status or Status.RETRY, vendor_id, self.issues)


def read_key(kind: str, values: Mapping[str, Any], default_region: str | None) -> Key | Refused:
    """The identifier of mapped values, or why there is none."""
    raw = values.get(kind)
    if kind == "email":
        return normal_email(raw)
    if kind == "phone":
        number = normal_phone(raw, values.get("region") or default_region)
        return number if isinstance(number, Refused) else number.lstrip("+")
    return _contact_id(raw)


def _contact_id(raw: Any) -> int | Refused:
    text = "" if raw is None else str(raw).strip()
    if not text:
        return Refused("no_contact_id", "there is no contact id")
    if not (text.isascii() and text.isdigit()):
        return Refused("invalid_contact_id", "it is no whole number")
    number = int(text) if len(text) <= 20 else _HIGHEST_ID + 1
    if not 0 < number <= _HIGHEST_ID:
        return Refused("invalid_contact_id", "it is no number that Dotdigital gives")
    return number


def read_rows(kind: str, members: Sequence[Member], default_region: str | None) -> tuple[list[Row], list[Outcome]]:
    """The members that can be sent, and the outcomes of those that can't: malformed, or twice in the batch."""
    rows: list[Row] = []
    refused: list[Outcome] = []
    taken: set[Key] = set()
    for member in members:
        key = read_key(kind, member.values, default_region)
        if not isinstance(key, Refused) and key in taken:
            key = Refused("duplicate_address", "another member of the list is the same contact")
        if isinstance(key, Refused):
            refused.append(Outcome(member.identifier, Status.REJECTED, issues=[Issue(key.reason, key.detail)]))
            continue
        taken.add(key)
        rows.append(Row(member, key))
    return rows, refused


def key_of(kind: str, contact_id: Any, identifiers: Mapping[str, Any]) -> Key | None:
    """The identifier of a contact as Dotdigital returns it, spelled as `read_key` does."""
    if kind == "contact_id":
        found = contact_id if contact_id is not None else identifiers.get("contactId")
        return None if found is None else int(found)
    value = identifiers.get(WIRE_NAMES[kind])
    if not value:
        return None
    return str(value).strip().lower() if kind == "email" else "".join(filter(str.isdigit, str(value)))

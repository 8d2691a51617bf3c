"""The members of a batch on their way to Iterable: identifier, attributes and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from audience_assets.destinations.base import DestinationError, Issue, Member, Outcome, Recheck, Report, Status
from audience_assets.destinations.identifiers import Refused, normal_email
from audience_assets.destinations.iterable.mapping import user_id_fault
from audience_assets.destinations.iterable.settings import EMAIL, USER_ID

# How a row names a person.
_MEMBERS = {EMAIL: "email", USER_ID: "userId"}


@dataclass(slots=True)
class Person:
    """One member. `identifier` is "" where there is no usable one, which `refusal` explains.

    `data` are attributes that the next call carries, by field name with dots; `missing` wait for their field to be
    created. `issues` are about attributes, by field name.
    """

    member: Member
    kind: str
    identifier: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, Any] = field(default_factory=dict)
    issues: dict[str, Issue] = field(default_factory=dict)
    refusal: Issue | None = None
    absent: bool = False
    known: bool = False
    error: DestinationError | None = None
    # Counted as failed, without a reason.
    unnamed: bool = False
    # The attributes were refused without a word on which: the membership goes alone.
    bare: bool = False

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do."""
        return self.refusal is None and self.error is None and not self.absent

    def refuse(self, reason: str, detail: str | None, recheck: Recheck = Recheck.WHEN_CHANGED) -> None:
        self.refusal = Issue(reason, detail, recheck=recheck)

    def withhold(self, name: str, reason: str, detail: str, recheck: Recheck = Recheck.WHEN_CHANGED) -> None:
        """An attribute is not delivered; the person is."""
        self.data.pop(name, None)
        self.missing.pop(name, None)
        self.issues[name] = Issue(reason, detail, name, recheck)

    def row(self, *, prefer_email: bool) -> dict[str, Any]:
        """The person as a row of subscribe or bulkUpdate.

        `prefer_email` is for user ids in email projects, where it keeps unknown ones from being created.
        """
        row: dict[str, Any] = {_MEMBERS[self.kind]: self.identifier}
        if prefer_email:
            row["preferUserId"] = False
        if self.data and not self.bare:
            row["dataFields"] = nested(self.data)
            if any("." in name for name in self.data):
                # Parts of an object: without this the other parts would go.
                row["mergeNestedObjects"] = True
        return row

    def leaver_row(self) -> dict[str, str]:
        """The person as a row of unsubscribe."""
        return {_MEMBERS[self.kind]: self.identifier}

    def outcome(self) -> Outcome:
        # What was found out by looking up is kept for the next try.
        vendor_id = self.identifier if self.known else None
        if self.error is not None:
            return Outcome(self.member.identifier, Status.RETRY, vendor_id)
        if self.absent:
            return Outcome(self.member.identifier, Status.ABSENT)
        if self.refusal is not None:
            return Outcome(self.member.identifier, Status.REJECTED, vendor_id, [self.refusal])
        return Outcome(self.member.identifier, Status.ACCEPTED, issues=list(self.issues.values()))


def nested(data: dict[str, Any]) -> dict[str, Any]:
    """`{"address.city": "Oslo"}` as `{"address": {"city": "Oslo"}}`."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        *parents, last = name.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found


def read_people(members: Sequence[Member], kind: str) -> list[Person]:
    """Read every member's identifier. Two of one request could not be told apart in the answer."""
    return _read((member, kind, member.values.get(kind)) for member in members)


def read_leavers(members: Sequence[Member], kind: str) -> list[Person]:
    """The same of people who leave. Who was added by what is not mapped any more is known by that."""
    former = USER_ID if kind == EMAIL else EMAIL
    return _read(
        (member, former, member.identifier) if member.values.get(kind) is None else (member, kind, member.values[kind])
        for member in members
    )


def _read(given: Iterable[tuple[Member, str, Any]]) -> list[Person]:
    people: list[Person] = []
    taken = set[tuple[str, str]]()
    for member, kind, raw in given:
        person = Person(member, kind)
        found = read_identifier(raw, kind)
        if isinstance(found, Refused):
            person.refuse(found.reason, found.detail)
        elif (kind, found) in taken:
            person.refuse("duplicate_identifier", "another member of the list has it")
        else:
            taken.add((kind, found))
            person.identifier = found
        people.append(person)
    return people


def read_identifier(raw: Any, kind: str) -> str | Refused:
    """An e-mail address in lower case, or a user id as it is written."""
    if kind == EMAIL:
        return normal_email(raw)
    text = "" if raw is None else str(raw).strip()
    if not text:
        return Refused("no_user_id", "there is no user id")
    fault = user_id_fault(text)
    return Refused("invalid_user_id", fault) if fault else text


def report(people: Iterable[Person], calls: int) -> Report:
    """Outcomes of all but those who were simply accepted."""
    told = [person.outcome() for person in people if not person.is_open or person.issues]
    return Report(told, calls)

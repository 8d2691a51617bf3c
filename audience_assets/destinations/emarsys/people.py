"""A batch's members as addresses to send, and their outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from audience_assets.destinations.base import Issue, Member, Outcome, Recheck, Status
from audience_assets.destinations.emarsys.endpoints import Code
from audience_assets.destinations.emarsys.errors import INVALID_EMAIL, REFUSED, SEVERAL_CONTACTS
from audience_assets.destinations.identifiers import Refused, normal_email


@dataclass(slots=True)
class Person:
    """One address, the members who have it, and the ways to write it: the first is tried first."""

    address: str
    spellings: list[str]
    identifiers: list[str] = field(default_factory=list)


@dataclass
class Batch:
    """Outcomes by identifier; a member is accepted unless something else is said."""

    outcomes: dict[str, Outcome]

    @classmethod
    def of(cls, members: Sequence[Member]) -> Self:
        return cls({member.identifier: Outcome(member.identifier) for member in members})

    def settle(self, people: Iterable[Person], status: Status, issue: Issue | None = None) -> None:
        for person in people:
            for identifier in person.identifiers:
                outcome = self.outcomes[identifier]
                outcome.status = status
                if issue is not None:
                    outcome.issues.append(issue)


def entrants(members: Sequence[Member], *, as_written: bool) -> tuple[list[Person], Batch]:
    """Everybody with a usable address, each address once; the others are rejected in the batch."""
    people, batch = People(as_written), Batch.of(members)
    for member in members:
        address = normal_email(member.values.get("email") or member.identifier)
        if isinstance(address, Refused):
            batch.outcomes[member.identifier].status = Status.REJECTED
            batch.outcomes[member.identifier].issues.append(Issue(address.reason, address.detail, "email"))
        else:
            people.add(member, address, [member.values.get("email")])
    return people.all, batch


def leavers(members: Sequence[Member], *, as_written: bool) -> tuple[list[Person], Batch]:
    """Everybody who leaves, by the address that the ledger knows them by: that is what was added."""
    people, batch = People(as_written), Batch.of(members)
    for member in members:
        people.add(member, member.identifier, [member.values.get("email"), (member.previous or {}).get("email")])
    return people.all, batch


@dataclass
class People:
    """Members by address."""

    as_written: bool
    by_address: dict[str, Person] = field(default_factory=dict)

    def add(self, member: Member, address: str, raw: Sequence[Any]) -> None:
        person = self.by_address.setdefault(address, Person(address, []))
        person.identifiers.append(member.identifier)
        spellings = _written(raw if self.as_written else [], address)
        person.spellings = list(dict.fromkeys([*person.spellings, *spellings]))

    @property
    def all(self) -> list[Person]:
        return list(self.by_address.values())


def _written(raw: Iterable[Any], address: str) -> list[str]:
    """The warehouse's spellings of this very address, then the lower-case one."""
    spellings = [str(each).strip() for each in raw if each is not None and normal_email(each) == address]
    return list(dict.fromkeys([*spellings, address]))


def spellings_of(member: Member) -> list[str]:
    """How a member's address is tried."""
    return _written([member.values.get("email")], member.identifier)


def former_spelling(member: Member) -> str | None:
    """How the address was written when it was added, if that is not tried any more."""
    former = _written([(member.previous or {}).get("email")], member.identifier)[0]
    return None if former in spellings_of(member) else former


def issue_of(codes: set[int], detail: str | None = None) -> Issue:
    """Why a row was refused. What is wrong at Emarsys may be mended there, so those rows are tried again."""
    if Code.SEVERAL_CONTACTS in codes:
        shared = "several contacts at Emarsys have this address, and then it adds none of them"
        return Issue(SEVERAL_CONTACTS, shared, "email", Recheck.NEXT_SYNC)
    if Code.BAD_VALUE in codes:
        return Issue(INVALID_EMAIL, "Emarsys takes it for no e-mail address", "email")
    named = ", ".join(str(code) for code in sorted(codes))
    return Issue(REFUSED, detail or f"Emarsys refuses the row with code {named}", "email", Recheck.NEXT_SYNC)

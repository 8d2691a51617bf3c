"""The list that imported profiles are put into, and what becomes of those who leave it.

A file can only make and change profiles and add them to a list. Taking somebody off a list takes the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from audience_assets.destinations.base import (
    CallEstimate,
    Finding,
    Issue,
    ListMissing,
    ListRef,
    Member,
    Misconfigured,
    Outcome,
    RemoteMember,
    Report,
    Status,
)

# The id of what is kept where there is no list: the profiles themselves.
PROFILES = "profiles"
STAYS = "stays_in_list"
LEAVERS = "leavers"


class Target(Protocol):
    """Where the people of a file are put."""

    def check(self, list_name: str | None) -> Iterator[Finding]: ...

    # The id that goes into every row; None where people are put into no list.
    def row_id(self, target: ListRef) -> str | None: ...

    def find(self, name: str) -> ListRef | None: ...

    def get(self, list_id: str) -> ListRef: ...

    def ensure(self, name: str) -> ListRef: ...

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report: ...

    def members(self, target: ListRef) -> Iterator[RemoteMember]: ...

    def estimate(self, removes: int) -> list[CallEstimate]: ...


class NoList:
    """Profiles alone. Nothing holds who leaves, so there is nothing to take them off."""

    def __init__(self, name: str) -> None:
        self._ref = ListRef(PROFILES, name, facts={"list": "none, profiles only"})

    def check(self, list_name: str | None) -> Iterator[Finding]:
        yield Finding("list", True, "people are put into no list")

    def row_id(self, target: ListRef) -> str | None:
        return None

    def find(self, name: str) -> ListRef | None:
        return self._ref

    def get(self, list_id: str) -> ListRef:
        if list_id != PROFILES:
            raise ListMissing(f"Its members are in the list {list_id}, and add_to_list is off now.")
        return self._ref

    def ensure(self, name: str) -> ListRef:
        return self._ref

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return Report()

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        raise Misconfigured("People are put into no list, so there is none to compare with.")

    def estimate(self, removes: int) -> list[CallEstimate]:
        return []


class GivenList:
    """A list of which we know the id and nothing else: there is no API key. Who leaves stays in it."""

    def __init__(self, list_id: str, name: str) -> None:
        url = f"https://www.klaviyo.com/list/{list_id}"
        self._ref = ListRef(list_id, name, url=url, facts={LEAVERS: "stay in the list"})

    def check(self, list_name: str | None) -> Iterator[Finding]:
        yield Finding(
            "list",
            True,
            f"people are put into the list {self._ref.id}; without an api_key nobody can tell whether it exists, and "
            "nobody who leaves is taken off it",
        )

    def row_id(self, target: ListRef) -> str | None:
        return target.id

    def find(self, name: str) -> ListRef | None:
        return self._ref

    def get(self, list_id: str) -> ListRef:
        if list_id != self._ref.id:
            raise ListMissing(f"Its members are in the list {list_id}, and list_id says {self._ref.id} now.")
        return self._ref

    def ensure(self, name: str) -> ListRef:
        return self._ref

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return kept(members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        raise Misconfigured("Reading a list takes an api_key; SFTP can't.")

    def estimate(self, removes: int) -> list[CallEstimate]:
        return []


def kept(members: Sequence[Member]) -> Report:
    """Nobody is taken off, and everybody is told so."""
    detail = "left the audience, and a file can't take anybody off a list"
    return Report([Outcome(m.identifier, Status.KEPT, issues=[Issue(STAYS, detail, channel="list")]) for m in members])

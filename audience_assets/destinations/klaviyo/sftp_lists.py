"""The list that imported profiles are put into, and what becomes of those who leave it.

A file can only make and change profiles and add them to a list. Taking somebody off a list takes the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Protocol

from audience_assets.destinations.base import (
    BadBatch,
    CallEstimate,
    Finding,
    Issue,
    ListMissing,
    ListRef,
    Member,
    Misconfigured,
    Outcome,
    Recheck,
    RemoteMember,
    Report,
    Status,
)
from audience_assets.destinations.identifiers import Refused, normal_email, normal_phone
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.doctor import examine_list
from audience_assets.destinations.klaviyo.endpoints import CAPS, GET_LIST_PROFILES, GET_PROFILES, REMOVE_MEMBERS
from audience_assets.destinations.klaviyo.errors import PROFILE_GONE
from audience_assets.destinations.klaviyo.lists import Lists
from audience_assets.destinations.rows import deliver_rows

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


@dataclass(frozen=True)
class ApiList:
    """A list that the API finds or makes, reads, and takes people off, unless they are to be kept."""

    client: KlaviyoClient
    lists: Lists
    list_id: str | None
    keeps_leavers: bool
    default_region: str | None

    def check(self, list_name: str | None) -> Iterator[Finding]:
        return examine_list(self.client, list_name if self.list_id is None else None, self.list_id)

    def row_id(self, target: ListRef) -> str | None:
        return target.id

    def find(self, name: str) -> ListRef | None:
        found = self.lists.find(name) if self.list_id is None else self.lists.get(self.list_id)
        return self._told(found) if found is not None else None

    def get(self, list_id: str) -> ListRef:
        if self.list_id not in (None, list_id):
            raise ListMissing(f"Its members are in the list {list_id}, and list_id says {self.list_id} now.")
        return self._told(self.lists.get(list_id))

    def ensure(self, name: str) -> ListRef:
        return self._told(self.lists.ensure(name) if self.list_id is None else self.lists.get(self.list_id))

    def _told(self, found: ListRef) -> ListRef:
        return replace(found, facts={**found.facts, LEAVERS: "stay in the list" if self.keeps_leavers else "removed"})

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        if self.keeps_leavers:
            return kept(members)
        before = self.client.calls
        present = self._present(target, members)
        outcomes = []
        for result in deliver_rows(
            list(present.items()), lambda rows: self._take_off(target, rows), at_most=CAPS.remove
        ):
            identifier, _ = result.row
            if result.error is not None:
                outcomes.append(Outcome(identifier, Status.RETRY))
            elif result.refusal is not None:
                # Merged away since it was looked up, perhaps: the next sync looks again.
                issue = Issue(result.refusal.reason, result.refusal.detail, recheck=Recheck.NEXT_SYNC)
                outcomes.append(Outcome(identifier, Status.REJECTED, issues=[issue]))
        return Report(outcomes, self.client.calls - before)

    def _take_off(self, target: ListRef, rows: Sequence[tuple[str, str]]) -> bool:
        try:
            self.client.remove_from_list(target.id, [profile_id for _, profile_id in rows])
        except ListMissing as error:
            # Not found may be the list or a profile, if no row is pointed at.
            self.client.list(target.id)
            raise BadBatch(str(error), reason=PROFILE_GONE, status=error.status) from None
        return True

    def _present(self, target: ListRef, members: Sequence[Member]) -> dict[str, str]:
        """Ledger identifier -> profile id, of those who are in the list; by what their file said of them."""
        emails, phones, external_ids = self._sent(members)
        found: dict[str, str] = {}
        for email, profile_id in self.client.ids_in_list(target.id, list(emails)).items():
            found[emails[email]] = profile_id
        for resource in self.client.list_profiles(target.id, "phone_number", list(phones)):
            number = (resource.get("attributes") or {}).get("phone_number")
            if number in phones:
                found[phones[number]] = str(resource["id"])
        # A list can't be asked for external ids. Taking off who is not in it changes nothing.
        for external_id, profile_id in self.client.ids_by_external_id(list(external_ids)).items():
            found[external_ids[external_id]] = profile_id
        return found

    def _sent(self, members: Sequence[Member]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Members' ledger identifiers by e-mail, by phone, by external id: by the first that was in their row."""
        emails: dict[str, str] = {}
        phones: dict[str, str] = {}
        external_ids: dict[str, str] = {}
        for member in members:
            values: Mapping[str, object] = member.previous or member.values
            email = normal_email(values.get("email"))
            region = values.get("region")
            phone = normal_phone(values.get("phone"), str(region) if region else self.default_region)
            external_id = str(values.get("external_id") or "").strip()
            if not isinstance(email, Refused):
                emails[email] = member.identifier
            elif not isinstance(phone, Refused):
                phones[phone] = member.identifier
            elif external_id:
                external_ids[external_id] = member.identifier
            elif isinstance(address := normal_email(member.identifier), str):
                # Added by what is not mapped any more.
                emails[address] = member.identifier
            elif isinstance(number := normal_phone(member.identifier, self.default_region), str):
                phones[number] = member.identifier
            else:
                external_ids[member.identifier] = member.identifier
        return emails, phones, external_ids

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        for resource in self.client.members(target.id):
            found = resource.get("attributes") or {}
            identifiers = {"email": found.get("email"), "phone": found.get("phone_number")}
            yield RemoteMember(str(resource["id"]), identifiers)

    def estimate(self, removes: int) -> list[CallEstimate]:
        if self.keeps_leavers or not removes:
            return []
        lookups = ceil(removes / CAPS.lookup)
        calls = {GET_LIST_PROFILES: lookups + 1, GET_PROFILES: 1, REMOVE_MEMBERS: ceil(removes / CAPS.remove)}
        return [CallEstimate(endpoint, count) for endpoint, count in calls.items()]


def kept(members: Sequence[Member]) -> Report:
    """Nobody is taken off, and everybody is told so."""
    detail = "left the audience, and a file can't take anybody off a list"
    return Report([Outcome(m.identifier, Status.KEPT, issues=[Issue(STAYS, detail, channel="list")]) for m in members])

"""`emarsys.contact_list`: entering the audience adds existing contacts to a contact list, leaving takes them out.

Nobody is created or deleted at Emarsys, and nobody's opt-in changes: lists only group contacts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from pydantic import BaseModel

from audience_assets.destinations.base import (
    CallEstimate,
    Connection,
    Finding,
    ListMissing,
    ListRef,
    Member,
    Misconfigured,
    Operation,
    RemoteMember,
    Report,
    ServiceSpec,
    Unavailable,
    typed,
)
from audience_assets.destinations.emarsys.calls import chunks
from audience_assets.destinations.emarsys.changes import SPELLINGS, Changes
from audience_assets.destinations.emarsys.client import EmarsysClient
from audience_assets.destinations.emarsys.doctor import examine
from audience_assets.destinations.emarsys.endpoints import ADD, CAPS, CHECK_IDS, REMOVE
from audience_assets.destinations.emarsys.errors import NameTaken
from audience_assets.destinations.emarsys.names import lists_named
from audience_assets.destinations.emarsys.settings import ContactListOptions, EmarsysSettings

# Half of what Emarsys takes: its limit is far away either way, and a lost answer leaves fewer people open.
BATCH_SIZE = CAPS.list_change // 2
BATCH_SIZES = dict.fromkeys(Operation, BATCH_SIZE)
CREATE_ATTEMPTS = 3


class ContactList:
    """The service at one account, for one activation's options."""

    def __init__(self, connection: Connection) -> None:
        self._settings = typed(connection.settings, EmarsysSettings)
        self._options = typed(connection.options, ContactListOptions)
        self._client = EmarsysClient(self._settings, connection.limiter, connection.now)

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Credentials, API, permissions and list; see `destinations.emarsys.doctor`."""
        return examine(self._client, self._settings, list_name)

    def find_list(self, name: str) -> ListRef | None:
        """The list whose name is equal as Emarsys compares names: without outer blanks, in any case."""
        found = lists_named(self._client.lists(), name)
        if len(found) > 1:
            ids = " and ".join(str(each["id"]) for each in found)
            raise Misconfigured(
                f"Emarsys has {len(found)} contact lists called {name!r} ({ids}): rename all but one, or set another "
                "list_name."
            )
        return _list_ref(found[0]) if found else None

    def get_list(self, list_id: str) -> ListRef:
        # No call returns a single list.
        for each in self._client.lists():
            if str(each["id"]) == list_id:
                return _list_ref(each)
        raise ListMissing("The contact list does not exist at Emarsys any more.")

    def ensure_list(self, name: str) -> ListRef:
        """Found by name or created."""
        trouble: NameTaken | Unavailable | None = None
        for _ in range(CREATE_ATTEMPTS):
            # Looked up before every try: if only the answer was lost, the list is there.
            found = self.find_list(name)
            if found is not None:
                ours = isinstance(trouble, Unavailable)
                return replace(found, created=True, facts={"adopted": "no"}) if ours else found
            try:
                made = self._client.create_list(name, self._options.description)
                return ListRef(made, name, created=True, facts={"adopted": "no"})
            except (NameTaken, Unavailable) as error:
                # If the name is taken, somebody was faster, or Emarsys finds more names equal than we do.
                trouble = error
        assert trouble is not None  # noqa: S101
        raise trouble

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._changes(target).add(members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._changes(target).update(members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._changes(target).remove(members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        for page in self._client.member_ids(target.id):
            for ids in chunks(page, CAPS.get_data):
                addresses = self._client.addresses(ids)
                # Who was deleted this moment is still listed, without an address.
                yield from (RemoteMember(each, {"email": addresses.get(each)}) for each in ids)

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        """Addresses that several contacts share cost up to one call more each, and nobody knows of them before."""
        calls = {
            ADD: ceil(adds / BATCH_SIZE) + ceil(updates / BATCH_SIZE),
            CHECK_IDS: SPELLINGS * ceil(updates / CAPS.check_ids),
            REMOVE: ceil(removes / BATCH_SIZE) + ceil(updates / BATCH_SIZE),
        }
        return [CallEstimate(self._client.limited(endpoint), count) for endpoint, count in calls.items() if count]

    def _changes(self, target: ListRef) -> Changes:
        return Changes(
            self._client,
            target.id,
            as_written=self._options.email_case == "as_written",
            add_all=self._options.duplicates == "add_all",
        )


def _list_ref(found: dict[str, Any]) -> ListRef:
    return ListRef(str(found["id"]), str(found["name"]), facts={"adopted": "yes"})


def _tracked(options: BaseModel) -> list[str]:
    """Where capitals matter, another spelling is another contact."""
    return ["email"] if typed(options, ContactListOptions).email_case == "as_written" else []


CONTACT_LIST = ServiceSpec(
    name="emarsys.contact_list",
    title="Emarsys contact list",
    description=(
        "Adds existing Emarsys contacts to a contact list, by e-mail address, when they enter the audience, and takes "
        "them out when they leave. Creates and deletes nobody, and changes nobody's opt-in."
    ),
    options_model=ContactListOptions,
    creates_contacts=False,
    carries_attributes=False,
    carries_consent=False,
    batch_sizes=BATCH_SIZES,
    identifiers=lambda _: ["email"],
    required=lambda _: ["email"],
    tracked=_tracked,
    channels=lambda _: [],
    connect=ContactList,
)

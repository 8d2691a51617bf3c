"""`iterable.contact_list`: a static list that holds a segment's people, with chosen attributes.

Only people whom Iterable knows are touched; unknown ones are absent and tried again on every sync. Being in a list says
nothing of consent, and none is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

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
from audience_assets.destinations.iterable.attributes import Attributes
from audience_assets.destinations.iterable.catalogue import Catalogue
from audience_assets.destinations.iterable.client import IterableClient
from audience_assets.destinations.iterable.doctor import examine
from audience_assets.destinations.iterable.endpoints import (
    GET_FIELDS,
    GET_USER,
    MOST_ROWS,
    bulk_update_at,
    subscribe_at,
    unsubscribe_at,
)
from audience_assets.destinations.iterable.existence import Existence
from audience_assets.destinations.iterable.mapping import IDENTIFIERS, mapping_faults, require_sound
from audience_assets.destinations.iterable.settings import (
    EMAIL,
    HYBRID,
    USER_ID,
    ContactListOptions,
    IterableSettings,
)
from audience_assets.destinations.iterable.writing import Writing

BATCH_SIZES = dict.fromkeys(Operation, MOST_ROWS)
STANDARD = "Standard"
LIST_TYPE = "list type"
CREATE_ATTEMPTS = 3
# How many batches may be on their way before the first one has created the fields.
BATCHES_AT_ONCE = 16
# The count lags behind writes; more than this is missing from a read that was cut off.
SIZE_TOLERANCE = 0.01


class ContactList:
    """The service at one project, for one activation's options and mapping."""

    def __init__(self, connection: Connection) -> None:
        self._settings = typed(connection.settings, IterableSettings)
        self._options = typed(connection.options, ContactListOptions)
        self._mapped = connection.mapped
        self._kind = require_sound(self._settings, self._options, connection.mapped)
        self._client = IterableClient(self._settings, connection.limiter)
        self._catalogue = Catalogue(self._client)
        attributes = Attributes(connection.mapped.attributes, self._options, self._catalogue)
        existence = Existence(self._client, self._settings.lookups_at_once, trust=self._settings.trust_known_contacts)
        self._writing = Writing(self._client, self._settings, attributes, existence, self._kind)

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Credentials, project type, permissions, attributes and list; see `destinations.iterable.doctor`."""
        return examine(self._client, self._settings, self._options, self._mapped, self._kind, list_name)

    def find_list(self, name: str) -> ListRef | None:
        found = [each for each in self._client.lists() if each.get("name") == name]
        if len(found) > 1:
            told = " and ".join(f"{each['id']} ({each.get('listType')})" for each in found)
            raise Misconfigured(
                f"Iterable has {len(found)} lists called {name!r} ({told}): delete all but one, or set another "
                "list_name."
            )
        return list_ref(found[0]) if found else None

    def get_list(self, list_id: str) -> ListRef:
        for each in self._client.lists():
            if str(each.get("id")) == list_id:
                return list_ref(each)
        raise ListMissing("The list does not exist at Iterable any more.")

    def ensure_list(self, name: str) -> ListRef:
        """Found by name or created; a list of that name that is not static is refused."""
        for attempt in range(CREATE_ATTEMPTS):
            # Looked up before every try: a second create call makes a second list if only the answer was lost.
            found = self.find_list(name)
            if found is not None:
                return found if attempt == 0 else replace(found, created=True, facts={**found.facts, "adopted": "no"})
            try:
                made = self._client.create_list(name, self._options.list_description)
            except Unavailable as error:
                outage = error
            else:
                return ListRef(made, name, created=True, facts={LIST_TYPE: STANDARD, "adopted": "no"})
        raise outage

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._writing.enter(target, members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._writing.update(target, members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._writing.leave(target, members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        """One plain-text answer of the whole list. Unavailable at its end if it was cut off."""
        if self._settings.project_type == EMAIL and self._kind == USER_ID:
            raise Misconfigured(
                "Iterable lists the members of an e-mail project by address, so a list matched by user id can't be "
                "compared with it."
            )
        prefer_user_id = self._settings.project_type == HYBRID and self._kind == USER_ID
        read = 0
        for identifier in self._client.members(target.id, prefer_user_id=prefer_user_id):
            read += 1
            yield RemoteMember(identifier, {self._kind: identifier})
        size = self._client.size(target.id)
        if read < size * (1 - SIZE_TOLERANCE):
            raise Unavailable(f"Iterable told {read:,} of {size:,} members: the answer was cut off, or counts lag.")

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        """At most so many calls, if no answer is refused as a whole."""
        rows, settings = self._settings.rows_per_call, self._settings
        by_email = settings.project_type == EMAIL and self._kind == EMAIL
        through_subscribe = settings.update_call == "subscribe" and settings.project_type != EMAIL
        looked_up = adds + (removes if settings.unknown_leavers == "look_up" else 0) if by_email else 0
        if not through_subscribe and not settings.trust_known_contacts:
            looked_up += updates
        subscribed, updated = ceil(adds / rows), ceil(updates / rows)
        attributes = bool(self._mapped.attributes) and bool(adds or updates)
        calls = {
            GET_FIELDS: 1 if attributes else 0,
            GET_USER: looked_up,
            subscribe_at(settings): subscribed + (updated if through_subscribe else 0),
            unsubscribe_at(settings): ceil(removes / rows),
            bulk_update_at(settings): self._bulk_updates(subscribed, 0 if through_subscribe else updated),
        }
        return [CallEstimate(endpoint, count) for endpoint, count in calls.items() if count]

    def _bulk_updates(self, subscribed: int, updated: int) -> int:
        """Of those who enter only the batches need any that find fields missing: the first ones, side by side."""
        if not self._mapped.attributes:
            return 0
        return updated + (1 + min(subscribed, BATCHES_AT_ONCE) if subscribed else 0)


def list_ref(resource: dict[str, Any]) -> ListRef:
    """A list as `GET /api/lists` tells it. Misconfigured unless people can be written to it."""
    kind, name = str(resource.get("listType") or "unknown"), str(resource.get("name"))
    if kind != STANDARD:
        why = "its members are decided by rules in Iterable" if kind == "Dynamic" else "people can't be put into it"
        raise Misconfigured(
            f"The Iterable list {name!r} ({resource['id']}) is a {kind} list: {why}. Set another list_name."
        )
    return ListRef(str(resource["id"]), name, facts={LIST_TYPE: kind, "adopted": "yes"})


CONTACT_LIST = ServiceSpec(
    name="iterable.contact_list",
    title="Iterable contact list",
    description=(
        "Adds existing Iterable users to a static list when they enter the audience, keeps chosen profile attributes "
        "of its members up to date, and takes people off the list when they leave."
    ),
    options_model=ContactListOptions,
    creates_contacts=False,
    carries_attributes=True,
    carries_consent=False,
    batch_sizes=BATCH_SIZES,
    identifiers=lambda _: IDENTIFIERS,
    required=lambda _: (),
    tracked=lambda _: (),
    channels=lambda _: (),
    connect=ContactList,
    mapping_faults=mapping_faults,
)

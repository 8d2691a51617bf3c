"""`dotdigital.contact_list`: entering the audience adds to a list, leaving takes off it; nobody's consent is touched.

People whom Dotdigital does not know are created with the one identifier; nobody is ever deleted from the account.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from math import ceil

from pydantic import BaseModel

from audience_assets.destinations.base import (
    CallEstimate,
    Connection,
    Finding,
    ListRef,
    Member,
    Operation,
    RemoteMember,
    Report,
    ServiceSpec,
    typed,
)
from audience_assets.destinations.dotdigital import pace as calls
from audience_assets.destinations.dotdigital.changing import Changing
from audience_assets.destinations.dotdigital.client import CONTACTS_PAGE, REMOVAL_SIZE, DotdigitalClient
from audience_assets.destinations.dotdigital.doctor import examine
from audience_assets.destinations.dotdigital.entering import Entering
from audience_assets.destinations.dotdigital.leaving import READ_BACK, Leavers, Leaving
from audience_assets.destinations.dotdigital.lists import Lists, name_fault
from audience_assets.destinations.dotdigital.optouts import OptOuts, membership
from audience_assets.destinations.dotdigital.settings import ContactListOptions, DotdigitalSettings
from audience_assets.destinations.dotdigital.standing import Standing
from audience_assets.destinations.turns import Turns

BATCH_SIZES = {Operation.ADD: 5000, Operation.UPDATE: 5000, Operation.REMOVE: REMOVAL_SIZE}
# Polls of one job in an estimate; they are not limited.
POLLS = 5


class ContactList:
    """The service at one account, for one activation's options and one sync."""

    def __init__(self, connection: Connection) -> None:
        self._settings = typed(connection.settings, DotdigitalSettings)
        self._options = typed(connection.options, ContactListOptions)
        self._connection = connection
        self._client = DotdigitalClient(self._settings, connection.limiter, connection.now)
        self._lists = Lists(self._client, self._options.visibility)
        self._slots = threading.Semaphore(self._settings.imports_in_flight)
        self._leavers = Leavers()
        self._turns = Turns()
        self._opt_outs: dict[str, OptOuts] = {}
        self._standing = Standing(self._client, self._options.identifier)

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Credentials, region, limits, permissions and list; see `destinations.dotdigital.doctor`."""
        return examine(self._client, self._settings, list_name, self._options.visibility)

    def find_list(self, name: str) -> ListRef | None:
        return self._lists.find(name)

    def get_list(self, list_id: str) -> ListRef:
        return self._lists.get(list_id)

    def ensure_list(self, name: str) -> ListRef:
        return self._lists.ensure(name)

    def keep_list(self, target: ListRef) -> ListRef:
        """The visibility as the options say."""
        return self._lists.keep(target)

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._entering(target).deliver(members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        return Changing(self._entering(target), self._leaving(target)).deliver(members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._leaving(target).deliver(members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        """Who unsubscribed from the list is no member of it, though Dotdigital may still name them."""
        for page in self._client.contacts(list_id=target.id, include="lists"):
            for contact in page:
                if membership(contact, target.id) != "suppressed":
                    yield _remote(contact)

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        """At most so many calls, where contact ids are known and nobody else writes a great deal to the account."""
        imports = sum(ceil(count / self._settings.batch_size) for count in (adds, updates))
        moves = updates if self._options.identifier == "phone" else 0
        removals = ceil(removes / REMOVAL_SIZE) + ceil(moves / REMOVAL_SIZE)
        reading = self._reading(imports, adds + updates) if self._options.tell_unreachable else 0
        counts = {
            calls.ACCOUNT_INFO: int(self._settings.find_region and bool(imports or removals)),
            calls.SERVER_TIME: int(bool(reading)),
            calls.GET_UNSUBSCRIBED: int(bool(imports or removals)),
            calls.IMPORT: imports,
            calls.IMPORT_STATUS: POLLS * imports,
            calls.GET_CONTACTS: reading + removals,
            calls.GET_LIST: removals,
            calls.REMOVE: removals,
            calls.REMOVAL_STATUS: POLLS * removals,
            calls.GET_CONTACT: READ_BACK * removals,
        }
        return [CallEstimate(self._client.pace.endpoint(call), count) for call, count in counts.items() if count]

    def _reading(self, imports: int, people: int) -> int:
        """Pages of people whom imports changed.

        Those of the second at which a reading ended are read again by the next one, and its last page may be empty.
        Imports at work at the same time share a reading.
        """
        return ceil(people / CONTACTS_PAGE) + imports + ceil(imports / self._settings.imports_in_flight)

    def _entering(self, target: ListRef) -> Entering:
        return Entering(
            self._client,
            self._settings,
            self._options.identifier,
            self._connection.default_region,
            target,
            self._opt_outs_of(target),
            self._standing if self._options.tell_unreachable else None,
            self._leavers,
            self._turns,
            self._slots,
        )

    def _leaving(self, target: ListRef) -> Leaving:
        return Leaving(
            self._client,
            self._settings,
            self._options.identifier,
            self._connection.default_region,
            target,
            self._opt_outs_of(target),
            self._leavers,
            self._turns,
        )

    def _opt_outs_of(self, target: ListRef) -> OptOuts:
        made = OptOuts(self._client, target.id, self._options.identifier, self._connection.now)
        return self._opt_outs.setdefault(target.id, made)


def _remote(contact: dict[str, object]) -> RemoteMember:
    identifiers = contact.get("identifiers")
    known = identifiers if isinstance(identifiers, dict) else {}
    number = known.get("mobileNumber")
    found = {
        "contact_id": str(contact["contactId"]),
        "email": known.get("email"),
        "phone": f"+{str(number).lstrip('+')}" if number else None,
    }
    return RemoteMember(str(contact["contactId"]), found)


def _identifiers(options: BaseModel) -> list[str]:
    return [typed(options, ContactListOptions).identifier]


def _tracked(options: BaseModel) -> list[str]:
    """The region of a national number decides whose it is."""
    return ["region"] if _identifiers(options) == ["phone"] else []


def _none(_: BaseModel) -> tuple[str, ...]:
    return ()


CONTACT_LIST = ServiceSpec(
    name="dotdigital.contact_list",
    title="Dotdigital contact list",
    description=(
        "Adds people to a Dotdigital list when they enter the audience, creating contacts that are missing, and takes "
        "them off it when they leave. Contacts are never deleted, and nobody's subscription is changed."
    ),
    options_model=ContactListOptions,
    creates_contacts=True,
    carries_attributes=False,
    carries_consent=False,
    batch_sizes=BATCH_SIZES,
    identifiers=_identifiers,
    required=_identifiers,
    tracked=_tracked,
    channels=_none,
    connect=ContactList,
    optional_identifiers=("contact_id", "email", "phone"),
    name_fault=name_fault,
    one_identifier=(
        "People known by one of these are created again under the other: Dotdigital can't tell that they are the same. "
        "Use one identifier for the whole account, and contact_id where the warehouse has Dotdigital's contact ids."
    ),
)

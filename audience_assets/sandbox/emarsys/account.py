"""One Emarsys account: its contacts and lists, and what tests do with them."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from audience_assets.sandbox.emarsys.contacts import EMAIL, OPT_IN, Contact, Contacts
from audience_assets.sandbox.emarsys.switches import EmarsysSwitches

OPT_IN_CHOICES = {True: "1", False: "2"}


@dataclass(slots=True)
class ContactList:
    """A static list: a set of internal ids."""

    id: int
    name: str
    created: float
    description: str = ""
    kind: int = 0
    members: set[int] = field(default_factory=set)
    _sorted: list[int] | None = None

    def add(self, ids: Iterable[int]) -> int:
        """How many are new to the list."""
        before = len(self.members)
        self.members.update(ids)
        self._sorted = None
        return len(self.members) - before

    def remove(self, ids: Iterable[int]) -> int:
        """How many were in the list."""
        before = len(self.members)
        self.members.difference_update(ids)
        self._sorted = None
        return before - len(self.members)

    def page(self, after: int, size: int) -> list[int]:
        """The next ids in ascending order."""
        if self._sorted is None:
            self._sorted = sorted(self.members)
        start = bisect_right(self._sorted, after)
        return self._sorted[start : start + size]


class EmarsysAccount:
    """State of one account. Every method is safe on several threads."""

    def __init__(self, name: str, switches: EmarsysSwitches, now: Callable[[], float]) -> None:
        self.name = name
        self.switches = switches
        self.now = now
        self.lock = threading.RLock()
        self.contacts = Contacts(switches)
        # Addresses that Emarsys takes for none, with code 2005.
        self.refused: set[str] = set()
        self._lists: dict[int, ContactList] = {}
        self._next_list = 330

    # What the operations use; they hold the lock.

    def find_list(self, list_id: int) -> ContactList | None:
        return self._lists.get(list_id)

    def has_list_named(self, name: str, *, but: ContactList | None = None) -> bool:
        wanted = self._folded(name)
        return any(self._folded(each.name) == wanted for each in self._lists.values() if each is not but)

    def add_list(self, name: str, description: str = "") -> ContactList:
        made = ContactList(self._next_list, name, self.now(), description)
        self._next_list += 7
        self._lists[made.id] = made
        return made

    def delete_list(self, target: ContactList) -> None:
        """The members stay contacts."""
        del self._lists[target.id]

    def _folded(self, name: str) -> str:
        return name.strip().casefold() if self.switches.names_fold_case else name

    # What tests and the demo use.

    @property
    def lists(self) -> list[ContactList]:
        """All lists, oldest first."""
        with self.lock:
            return list(self._lists.values())

    def list_named(self, name: str) -> ContactList:
        """The only list of that name; LookupError otherwise."""
        found = [each for each in self.lists if each.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} lists are called {name!r}")
        return found[0]

    def create_list(self, name: str, *, kind: int = 0) -> ContactList:
        """As somebody does it by hand; LookupError if the name is taken."""
        with self.lock:
            if self.has_list_named(name):
                raise LookupError(f"there is a list called {name!r}")
            made = self.add_list(name)
            made.kind = kind
            return made

    def add_contacts(self, rows: Iterable[Mapping[str, str | bool]]) -> int:
        """Create contacts and return how many. A row has an "email", an "optin" (true or false), or neither.

        Addresses that are there already are shared from then on.
        """
        made = 0
        with self.lock:
            for row in rows:
                fields = {}
                if row.get("email"):
                    fields[EMAIL] = str(row["email"])
                if "optin" in row:
                    fields[OPT_IN] = OPT_IN_CHOICES[bool(row["optin"])]
                self.contacts.create(fields)
                made += 1
        return made

    def find(self, email: str) -> list[Contact]:
        """Everybody with the address, in any case."""
        with self.lock:
            return self.contacts.sharing(email)

    def delete_contacts(self, email: str) -> int:
        """Delete everybody with the address, also from lists; how many."""
        with self.lock:
            found = self.find(email)
            for contact in found:
                self.contacts.delete(contact)
                for each in self._lists.values():
                    each.remove([contact.id])
            return len(found)

    def set_opt_in(self, email: str, value: bool) -> None:
        """The person opts in or out."""
        with self.lock:
            for contact in self.find(email):
                contact.fields[OPT_IN] = OPT_IN_CHOICES[value]

    def opted_out(self, email: str) -> bool:
        return any(contact.fields.get(OPT_IN) == OPT_IN_CHOICES[False] for contact in self.find(email))

    def members(self, list_id: int) -> list[Contact]:
        """Everybody in the list, in the order of their ids."""
        with self.lock:
            found = (self.contacts.by_id(each) for each in sorted(self._lists[list_id].members))
            return [contact for contact in found if contact is not None]

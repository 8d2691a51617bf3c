"""One Iterable project: its type, everything in it, and what tests do with it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from audience_assets.sandbox.agenda import Agenda
from audience_assets.sandbox.iterable.fields import Fields
from audience_assets.sandbox.iterable.lists import STANDARD, IterableList
from audience_assets.sandbox.iterable.switches import IterableSwitches
from audience_assets.sandbox.iterable.users import EMAIL, User, Users

CHANNEL = 6539
CHANNELS = [{"id": CHANNEL, "name": "Marketing Channel", "channelType": "Marketing", "messageMedium": "Email"}]
FIRST_LIST = 1_068_001


class IterableProject:
    """State of one project. Every method is safe on several threads; effects that are due are applied first."""

    def __init__(
        self, number: int, name: str, project_type: str, switches: IterableSwitches, now: Callable[[], float]
    ) -> None:
        self.id = number
        self.name = name
        self.type = project_type
        self.switches = switches
        self.now = now
        self.lock = threading.RLock()
        self.users = Users()
        self.fields = Fields(switches.max_fields, switches.integers_fit_double)
        self.fields.types[self.lists_field] = "long"
        self.agenda = Agenda(seed=number)
        self.forgotten: dict[str, set[str]] = {"Emails": set(), "UserIds": set()}
        # Identifiers whose rows are refused as data that no field takes.
        self.refused_data: set[str] = set()
        self._lists: dict[int, IterableList] = {}
        self._next_list = FIRST_LIST

    @property
    def lists_field(self) -> str:
        """The profile field that tells the lists of a user."""
        return "emailListIds" if self.type == EMAIL else "userListIds"

    # What the operations use; they hold the lock.

    def settle(self) -> float:
        """Apply what is due and return the time now."""
        now = self.now()
        self.fields.integers_fit_double = self.switches.integers_fit_double
        self.fields.most = self.switches.max_fields
        self.agenda.settle(now)
        return now

    def add_list(self, name: str, list_type: str, description: str | None, now: float) -> IterableList:
        created = IterableList(self._next_list, name, list_type, description, now)
        self._lists[created.id] = created
        self._next_list += 1
        return created

    def find_list(self, list_id: int) -> IterableList | None:
        return self._lists.get(list_id)

    def delete_list(self, target: IterableList) -> None:
        """Profiles stay."""
        del self._lists[target.id]

    def is_forgotten(self, kind: str, value: str) -> bool:
        return hashed(value) in self.forgotten[kind]

    def delete_user(self, user: User) -> None:
        for each in self._lists.values():
            each.remove(user.number)
        self.users.remove(user)

    def lists_of(self, user: User) -> list[int]:
        return [each.id for each in self._lists.values() if user.number in each]

    # What tests and the demo use.

    @property
    def lists(self) -> list[IterableList]:
        """All lists, oldest first."""
        with self.lock:
            self.settle()
            return list(self._lists.values())

    def list_named(self, name: str) -> IterableList:
        """The only list of that name; LookupError otherwise."""
        found = [each for each in self.lists if each.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} lists are called {name!r}")
        return found[0]

    def create_list(self, name: str, list_type: str = STANDARD) -> IterableList:
        """A list that was there long before, so it takes people at once."""
        with self.lock:
            return self.add_list(name, list_type, None, self.settle() - 86_400)

    def add_users(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Create users and return how many: any of email, userId, dataFields, lists (ids). Known ones are left."""
        with self.lock:
            now = self.settle()
            return sum(self._add_user(row, now) for row in rows)

    def _add_user(self, row: Mapping[str, Any], now: float) -> int:
        email, user_id = row.get("email"), row.get("userId")
        if (email and self.users.by_email(email)) or (user_id and self.users.by_user_id(user_id)):
            return 0
        user = self.users.create(now, email, user_id)
        data = dict(row.get("dataFields") or {})
        if data:
            self.fields.create(data, str(self.id))
            user.data = data
        for list_id in row.get("lists") or ():
            self._lists[list_id].add(user.number)
        return 1

    def find(self, identifier: str) -> User | None:
        """By address or user id."""
        with self.lock:
            self.settle()
            return self.users.by_email(identifier) or next(iter(self.users.by_user_id(identifier)), None)

    def members(self, list_id: int) -> Iterator[User]:
        """Everybody in the list now."""
        with self.lock:
            self.settle()
            found = [self.users.by_number(number) for number in self._lists[list_id]]
        return (user for user in found if user is not None)

    def data(self, identifier: str) -> dict[str, Any]:
        """A user's data fields; LookupError if there is no such user."""
        with self.lock:
            user = self.find(identifier)
            if user is None:
                raise LookupError("no such user")
            return dict(user.data or {})

    def opt_out(self, identifier: str, channel: int = CHANNEL) -> None:
        """The person unsubscribes from a channel. LookupError: no such user."""
        with self.lock:
            user = self.find(identifier)
            if user is None:
                raise LookupError("no such user")
            user.unsubscribed_channels = {*(user.unsubscribed_channels or ()), channel}

    def opted_out(self, identifier: str) -> bool:
        user = self.find(identifier)
        return user is not None and bool(user.unsubscribed_channels)

    def delete(self, identifier: str) -> None:
        """Somebody deletes the user. LookupError: no such user."""
        with self.lock:
            user = self.find(identifier)
            if user is None:
                raise LookupError("no such user")
            self.delete_user(user)

    def forget(self, identifier: str) -> None:
        """The person is forgotten (GDPR): deleted, and refused for ever."""
        with self.lock:
            user = self.find(identifier)
            self.forgotten["Emails" if "@" in identifier else "UserIds"].add(hashed(identifier))
            if user is not None:
                self.delete_user(user)

    def finish(self) -> None:
        """Apply everything accepted so far at once, whatever time it is due."""
        with self.lock:
            last = self.agenda.last_due()
            if last is not None:
                self.agenda.settle(last)


def hashed(value: str) -> str:
    """How Iterable tells forgotten identifiers: SHA-256 of the trimmed text in lower case."""
    return hashlib.sha256(value.strip().lower().encode()).hexdigest()

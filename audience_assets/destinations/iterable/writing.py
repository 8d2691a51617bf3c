"""What becomes of a batch: entering the list, staying in it with other attributes, leaving it.

              unknown people        attributes with a field     without one
entering      skipped or looked up  with the subscribe call     created, then bulkUpdate
updating      looked up             bulkUpdate                  created, then bulkUpdate
leaving       skipped or looked up
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from audience_assets.destinations.base import ListMissing, ListRef, Member, Outcome, Report, Status, Unavailable
from audience_assets.destinations.http import Patience
from audience_assets.destinations.iterable.answers import FORGOTTEN, BulkAnswer
from audience_assets.destinations.iterable.attributes import Attributes
from audience_assets.destinations.iterable.client import IterableClient
from audience_assets.destinations.iterable.creating import Creating, tell_refused
from audience_assets.destinations.iterable.delivering import Delivering
from audience_assets.destinations.iterable.existence import Existence
from audience_assets.destinations.iterable.people import Person, read_leavers, read_people, report
from audience_assets.destinations.iterable.settings import EMAIL, USER_ID, IterableSettings


@dataclass(frozen=True)
class Writing:
    """Writes batches to one list. `kind` is the identifier that people are matched by."""

    client: IterableClient
    settings: IterableSettings
    attributes: Attributes
    existence: Existence
    kind: str
    # People leave by an identifier that is not mapped any more. Some may enter by the one that is: two calls about one
    # profile, and which Iterable carries out last is not known. So nobody enters before the next sync.
    renamed: threading.Event = field(default_factory=threading.Event)

    def enter(self, target: ListRef, members: Sequence[Member]) -> Report:
        if self.renamed.is_set():
            return _undecided(members, 0)
        people, calls = read_people(members, self.kind), _Calls(self.client)
        # updateExistingUsersOnly is honoured in the other project types alone.
        calls.elsewhere += self.existence.look_up(people) if self._creates_by_subscribe else 0
        calls.elsewhere += self._subscribe(target, people)
        return _undecided(members, calls.total) if self.renamed.is_set() else report(people, calls.total)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        people, calls = read_people(members, self.kind), _Calls(self.client)
        if self.settings.update_call == "subscribe" and self.settings.project_type != EMAIL:
            calls.elsewhere += self._subscribe(target, people)
            return report(people, calls.total)
        self.attributes.fill(_open(people))
        changed = [person for person in _open(people) if person.data or person.missing]
        if not self.settings.trust_known_contacts:
            calls.elsewhere += self.existence.look_up(changed)
        carrying = [person for person in _open(changed) if person.data]
        self._delivering.send(carrying, self._row, lambda rows: self.client.bulk_update(rows, create_fields=False))
        for person in carrying:
            if person.bare:
                tell_refused(person)
        self._creating.deliver(changed)
        return report(people, calls.total)

    def leave(self, target: ListRef, members: Sequence[Member]) -> Report:
        people, calls = read_leavers(members, self.kind), _Calls(self.client)
        if any(person.kind != self.kind for person in people):
            self.renamed.set()
        if self.settings.project_type == EMAIL and self.settings.unknown_leavers == "look_up":
            calls.elsewhere += self.existence.look_up([person for person in people if person.kind == EMAIL])
        leaving = _open(people)
        self._delivering.send(
            leaving,
            Person.leaver_row,
            lambda rows: self._when_ready(target, lambda: self.client.unsubscribe(target.id, rows)),
        )
        calls.elsewhere += self._explain_unnamed(people)
        for person in people:
            # Who is unknown, forgotten or unreadable to Iterable is in no list.
            if person.absent or (person.refusal and person.refusal.reason in _NOBODY):
                person.absent, person.refusal = False, None
        return report(people, calls.total)

    def _subscribe(self, target: ListRef, people: Sequence[Person]) -> int:
        """Returns how many calls other threads made for it."""
        self.attributes.fill(_open(people))

        def call(rows: Sequence[dict[str, Any]]) -> BulkAnswer:
            return self._when_ready(target, lambda: self.client.subscribe(target.id, rows))

        self._delivering.send(_open(people), self._row, call)
        # Data that was refused does not keep anybody out of the list.
        bare = [person for person in _open(people) if person.bare]
        self._delivering.send(bare, self._row, call)
        for person in bare:
            if person.is_open:
                tell_refused(person)
        asked = self._explain_unnamed(people)
        self._creating.deliver(people)
        return asked

    def _explain_unnamed(self, people: Sequence[Person]) -> int:
        """Who was counted as failed and not named may just be unknown, which answers of old did not tell."""
        unnamed = [person for person in people if person.refusal is not None and person.unnamed]
        refusals = [person.refusal for person in unnamed]
        for person in unnamed:
            person.refusal = None
        calls = self.existence.look_up(unnamed)
        for person, refusal in zip(unnamed, refusals, strict=True):
            if person.is_open:
                person.refusal = refusal
        return calls

    def _when_ready(self, target: ListRef, call: Callable[[], BulkAnswer]) -> BulkAnswer:
        """A list that exists may be refused for a while after it was created: tried again, as long as it is there."""
        patience = Patience(self.settings.new_list_tries, self.settings.new_list_wait_seconds)
        for wait in [*patience.waits(), None]:
            try:
                return call()
            except ListMissing:
                if not any(str(each.get("id")) == target.id for each in self.client.lists()):
                    raise
            if wait is not None:
                time.sleep(wait)
        raise Unavailable("Iterable has the list and does not take people for it yet.")

    def _row(self, person: Person) -> dict[str, Any]:
        return person.row(prefer_email=self.settings.project_type == EMAIL and self.kind == USER_ID)

    @property
    def _creates_by_subscribe(self) -> bool:
        """In e-mail projects an unknown address is made a contact; an unknown user id is refused."""
        return self.settings.project_type == EMAIL and self.kind == EMAIL

    @cached_property
    def _delivering(self) -> Delivering:
        return Delivering(self.settings, self.attributes)

    @cached_property
    def _creating(self) -> Creating:
        return Creating(self.client, self.attributes, self._delivering, self._row)


_NOBODY = frozenset({FORGOTTEN, f"no_{EMAIL}", f"no_{USER_ID}", f"invalid_{EMAIL}", f"invalid_{USER_ID}"})


class _Calls:
    """Counts a batch's calls: this thread's, and those of look-ups in others."""

    def __init__(self, client: IterableClient) -> None:
        self._client = client
        self._before = client.calls
        self.elsewhere = 0

    @property
    def total(self) -> int:
        return self._client.calls - self._before + self.elsewhere


def _undecided(members: Sequence[Member], calls: int) -> Report:
    return Report([Outcome(member.identifier, Status.RETRY) for member in members], calls)


def _open(people: Sequence[Person]) -> list[Person]:
    return [person for person in people if person.is_open]

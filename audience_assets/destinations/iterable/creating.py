"""Creating fields: one representative value for each, sent alone, then everybody's.

The first value that reaches a field fixes its type for good, so that only one writer at a time may be the first, and
a text that looks like a date may not be it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from audience_assets.destinations.base import Recheck
from audience_assets.destinations.iterable.answers import BulkAnswer
from audience_assets.destinations.iterable.attributes import Attributes
from audience_assets.destinations.iterable.client import IterableClient
from audience_assets.destinations.iterable.delivering import Delivering
from audience_assets.destinations.iterable.errors import FieldLimit
from audience_assets.destinations.iterable.people import Person
from audience_assets.destinations.iterable.values import CREATED_AS, STRING, looks_like_date, offered_type

LIMIT_REACHED = "field_limit_reached"
NEXT = Recheck.NEXT_SYNC
# How many people may fail as the first one of a field.
ATTEMPTS = 3


@dataclass(frozen=True)
class Creating:
    """Delivers the attributes whose field Iterable does not have yet, to people who are known to exist."""

    client: IterableClient
    attributes: Attributes
    delivering: Delivering
    row: Callable[[Person], dict[str, Any]]

    def deliver(self, people: Sequence[Person]) -> None:
        """Create what is missing, then send it to everybody who has a value.

        These people are in the list already, so whatever is refused here is an issue of their attributes.
        """
        waiting = [person for person in people if person.is_open and person.missing]
        if not waiting:
            return
        catalogue = self.attributes.catalogue
        with catalogue.creating:
            for _ in range(ATTEMPTS):
                names = dict.fromkeys(name for person in waiting for name in person.missing)
                absent = [n for n in names if catalogue.type_of(n) is None and catalogue.given_up(n) is None]
                if not self._create(absent, waiting):
                    break
        for person in waiting:
            person.data = {}
            if person.is_open:
                self._place(person)
        late = [person for person in waiting if person.is_open and person.data]
        self.delivering.send(late, self.row, lambda rows: self.client.bulk_update(rows, create_fields=False))
        for person in late:
            tell_refused(person)

    def _create(self, names: Sequence[str], people: Sequence[Person]) -> bool:
        """Send a first value of each; False if nobody has a usable one, or nobody answers."""
        chosen = self._choose(names, people)
        if not chosen:
            return False
        first, created = [person for person in people if person.data], set[str]()

        def call(rows: Sequence[dict[str, Any]]) -> BulkAnswer:
            try:
                answer = self.client.bulk_update(rows, create_fields=True)
            except FieldLimit:
                for name in chosen:
                    self.attributes.catalogue.give_up(name, LIMIT_REACHED)
                return BulkAnswer(0, 0)
            created.update(answer.created_fields)
            return answer

        self.delivering.send(first, self.row, call)
        outage = next((person.error for person in first if person.error is not None), None)
        for person in people if outage else ():
            person.error = outage
        for name, person in chosen.items():
            # A field that the answer does not name was there: somebody else was faster, and its type is what they sent.
            done = person.is_open and not person.bare and name not in person.issues
            if done and self.attributes.catalogue.given_up(name) is None:
                self._learn(name, person.missing[name], told=name in created)
        for person in first:
            tell_refused(person)
        return outage is None

    def _choose(self, names: Sequence[str], people: Sequence[Person]) -> dict[str, Person]:
        """Field -> the person whose value is the first one; it is put among their data."""
        for person in people:
            person.data = {}
        chosen: dict[str, Person] = {}
        for name in names:
            first = self._representative(name, people)
            if first is not None:
                first.data[name] = first.missing[name]
                chosen[name] = first
        return chosen

    def _learn(self, name: str, value: Any, *, told: bool) -> None:
        catalogue, field_type = self.attributes.catalogue, self.attributes.types.get(name)
        if not told:
            catalogue.forget()
        if catalogue.type_of(name) is None:
            catalogue.learn(name, CREATED_AS.get(field_type or "") or offered_type(value, field_type))

    def _representative(self, name: str, people: Sequence[Person]) -> Person | None:
        """Somebody whose value can only be taken for what it is."""
        field_type = self.attributes.types.get(name)
        candidates = [person for person in people if person.is_open and name in person.missing]
        if CREATED_AS.get(field_type or "") == STRING:
            return next((p for p in candidates if not looks_like_date(p.missing[name])), None)
        if field_type == "number":
            broken = (p for p in candidates if not float(p.missing[name]).is_integer())
            return next(broken, candidates[0] if candidates else None)
        return candidates[0] if candidates else None

    def _place(self, person: Person) -> None:
        """The missing values into the data, now that the fields are there, or issues where they are not."""
        missing, person.missing = person.missing, {}
        for name, value in missing.items():
            if self.attributes.catalogue.given_up(name) is not None:
                person.withhold(name, LIMIT_REACHED, "the Iterable project has 1,000 fields, the most", NEXT)
            elif self.attributes.catalogue.type_of(name) is None:
                person.withhold(name, "field_not_created", self._why_not(name, value), NEXT)
            else:
                self.attributes.place(person, name, value)

    def _why_not(self, name: str, value: Any) -> str:
        if CREATED_AS.get(self.attributes.types.get(name) or "") == STRING and looks_like_date(value):
            return (
                "every text so far looks like a date, and the first one decides the field's type: create the field in "
                "Iterable, or map a date"
            )
        return "Iterable refused the first values of the field"


def tell_refused(person: Person) -> None:
    """A refusal of somebody who is in the list is one of the attributes that were sent."""
    if person.bare or person.refusal is not None:
        reason = person.refusal.reason if person.refusal else "attributes_refused"
        for name in list(person.data):
            person.withhold(name, reason, "Iterable refused the row's data")
        person.bare, person.refusal = False, None

"""Mapped attributes as data fields: what each field can take, found before sending where the catalogue tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audience_assets.destinations.iterable.catalogue import Catalogue
from audience_assets.destinations.iterable.errors import Expected
from audience_assets.destinations.iterable.people import Person
from audience_assets.destinations.iterable.settings import ContactListOptions
from audience_assets.destinations.iterable.values import (
    NESTED,
    OBJECT,
    Unfit,
    fit,
    mismatch,
    offered_type,
    to_json,
    unusable,
)

UNKNOWN_FIELD = "unknown_field"


@dataclass(frozen=True)
class Attributes:
    """`types` are the mapped attributes with the type of their field in the warehouse."""

    types: Mapping[str, str]
    options: ContactListOptions
    catalogue: Catalogue

    def fill(self, people: Iterable[Person]) -> None:
        """Give every person the data fields to send, the ones whose field is missing, and issues for the unfit."""
        if not self.types:
            return
        for person in people:
            previous = person.member.previous or {}
            for name, field_type in self.types.items():
                value = to_json(person.member.values.get(name), field_type)
                if value is None:
                    # What we did not write is not ours to clear.
                    if self.options.nulls == "always" or previous.get(name) is not None:
                        self._clear(person, name)
                else:
                    self.place(person, name, value)

    def _clear(self, person: Person, name: str) -> None:
        if self.catalogue.type_of(name) is not None:
            person.data[name] = None

    def place(self, person: Person, name: str, value: Any) -> None:
        """Put a value among the data of a person, if the field takes it."""
        expected = self.catalogue.type_of(name)
        fault = self._parent_fault(name)
        if fault is None and expected is not None:
            fitting = fit(value, expected, self.types.get(name))
            if not isinstance(fitting, Unfit):
                person.data[name] = fitting
                return
            fault = fitting
        elif fault is None:
            fault = unusable(value)
        if fault is not None:
            person.withhold(name, fault.reason, fault.detail)
        elif not self.options.create_fields:
            person.withhold(name, UNKNOWN_FIELD, "Iterable has no such field, and create_fields is off")
        elif value != []:
            person.missing[name] = value

    def _parent_fault(self, name: str) -> Unfit | None:
        parts = name.split(".")
        for length in range(1, len(parts)):
            parent = self.catalogue.type_of(".".join(parts[:length]))
            if parent not in (None, OBJECT, NESTED):
                return mismatch(str(parent), OBJECT)
        return None

    def correct(self, people: Sequence[Person], fields: Mapping[str, Expected]) -> bool:
        """Take Iterable's word on types and drop what does not fit. False if nothing of the request is different then.

        Of a single person the named fields are dropped in any case.
        """
        changed = False
        for name, told in fields.items():
            held = {key for person in people for key in person.data if key == name or name.startswith(f"{key}.")}
            if name in held and told.expected != "unknown":
                self.catalogue.learn(name, told.expected)
            for person in people:
                for key in held & person.data.keys():
                    changed |= self._correct(person, key, told, drop=len(people) == 1 or key != name)
        return changed

    def _correct(self, person: Person, name: str, told: Expected, *, drop: bool) -> bool:
        value = person.data[name]
        if value is None:
            return False
        fitting = value if drop else fit(value, told.expected, self.types.get(name))
        if drop or isinstance(fitting, Unfit):
            fault = mismatch(told.expected, " or ".join(told.offered) or offered_type(value, self.types.get(name)))
            person.withhold(name, fault.reason, fault.detail)
            return True
        person.data[name] = fitting
        return bool(type(fitting) is not type(value))

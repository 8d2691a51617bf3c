"""A project's profile fields: the first value fixes a field's type for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from audience_assets.sandbox.iterable.errors import Refusal, refusal

# What every project has before anybody writes.
BUILT_IN = {
    "email": "string",
    "userId": "string",
    "phoneNumber": "string",
    "signupDate": "date",
    "signupSource": "string",
    "profileUpdatedAt": "date",
}
DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d( [+-]\d\d:\d\d)?|T\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)?)?")
CONTROL = frozenset({"email", "userId"})


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value that its field can't take."""

    name: str
    expected: str
    incoming: tuple[str, ...]
    value: Any

    def told(self) -> dict[str, Any]:
        return {
            "incomingTypes": list(self.incoming),
            "expectedType": self.expected,
            "_type": "UnexpectedType",
            "offendingValue": self.value,
            "category": "user",
        }


@dataclass
class Fields:
    """Types by field name, nested ones with dots."""

    most: int
    integers_fit_double: bool
    types: dict[str, str] = field(default_factory=lambda: dict(BUILT_IN))

    def conflicts(self, data: dict[str, Any]) -> list[Conflict]:
        """What of a profile's data does not fit; nothing is created."""
        found = []
        for name, value in flat(data):
            expected, incoming = self.types.get(name), types_of(name, value)
            if expected is not None and incoming and not self._fits(expected, incoming, value):
                found.append(Conflict(name, expected, incoming, value))
        return found

    def _fits(self, expected: str, incoming: tuple[str, ...], value: Any) -> bool:
        if expected in incoming or (expected == "nested" and incoming == ("object",) and isinstance(value, list)):
            return True
        if expected == "string":
            return incoming[0] == "date"
        return expected == "double" and incoming == ("long",) and self.integers_fit_double

    def new_in(self, data: dict[str, Any]) -> list[str]:
        return [name for name, value in flat(data) if name not in self.types and types_of(name, value)]

    def create(self, data: dict[str, Any], project: str) -> list[str]:
        """Add the fields that are new, and say which; refused beyond the most there may be."""
        created = self.new_in(data)
        if len(self.types) + len(set(created)) > self.most:
            raise self._full(project)
        for name, value in flat(data):
            incoming = types_of(name, value)
            if incoming:
                self.types.setdefault(name, incoming[0])
        return created

    def _full(self, project: str) -> Refusal:
        return refusal(400, "UniqueFieldsLimitExceeded", f"Project {project}: too many distinct fields", {})


def types_of(name: str, value: Any) -> tuple[str, ...]:
    """What a value may be taken for, the most special first; nothing for null and empty lists."""
    if isinstance(value, bool):
        return ("boolean",)
    if isinstance(value, int):
        return ("long",)
    if isinstance(value, float):
        return ("double",)
    if isinstance(value, list):
        return next((types_of(name, each) for each in value if each is not None), ())
    if isinstance(value, dict):
        return ("geo_location",) if name.endswith("_geo_location") else ("object",)
    if isinstance(value, str):
        return ("date", "string") if DATE.fullmatch(value) else ("string", "keyword")
    return ()


def flat(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of a profile's data with its dotted name, objects and what is in them."""
    for key, value in data.items():
        name = f"{prefix}{key}"
        if not prefix and key in CONTROL:
            continue
        yield name, value
        if isinstance(value, dict) and not name.endswith("_geo_location"):
            yield from flat(value, f"{name}.")


def without(data: dict[str, Any], names: set[str], prefix: str = "") -> dict[str, Any]:
    """The data less the named fields."""
    kept = {key: value for key, value in data.items() if f"{prefix}{key}" not in names}
    return {
        key: without(value, names, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in kept.items()
    }

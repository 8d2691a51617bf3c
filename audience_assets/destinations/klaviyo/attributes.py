"""Mapped attributes as parts of a Klaviyo profile: where each goes, what it may be called, how its value is written.

Klaviyo's own fields (first_name, location.city, ...) go by their names; every other name is a custom property.
Profiles API, `ProfileUpsertQueryResourceObject`: https://developers.klaviyo.com/en/reference/bulk_import_profiles
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from audience_assets.destinations.base import Mapped, MappingFault
from audience_assets.destinations.values import has_json, in_utc

TEXT_FIELDS = ("first_name", "last_name", "organization", "locale", "title", "image")
COORDINATES = ("latitude", "longitude")
LOCATION_FIELDS = ("address1", "address2", "city", "country", *COORDINATES, "region", "zip", "timezone", "ip")
LOCATION, PROPERTIES = "location", "properties"

# Where an attribute goes: ("first_name",), ("location", "city"), ("properties", "tier").
AttributePath = tuple[str, ...]

# As attributes these would give people another identity.
_IDENTITY = {
    "phone_number": "map identifiers.phone",
    "id": "Klaviyo gives it itself",
    "anonymous_id": "Klaviyo gives it itself",
    "_kx": "Klaviyo gives it itself",
}


def path_of(name: str) -> AttributePath:
    """Where the attribute of that name goes.

    >>> path_of("location.city"), path_of("tier")
    (('location', 'city'), ('properties', 'tier'))
    """
    top, _, rest = name.partition(".")
    if top in (LOCATION, PROPERTIES) and rest:
        return top, rest
    return (name,) if name in TEXT_FIELDS else (PROPERTIES, name)


def is_property(name: str) -> bool:
    return path_of(name)[0] == PROPERTIES


def mapping_faults(mapped: Mapped) -> Iterator[MappingFault]:
    """Names that no attribute may have, and two for one place."""
    places: dict[AttributePath, str] = {}
    for name in mapped.attributes:
        fault, hint = _name_fault(name)
        first = places.setdefault(path_of(name), name)
        if fault is None and first != name:
            fault = f"it is the same attribute as {first!r}"
        if fault is not None:
            yield MappingFault(("fields", name), f"{name!r} can't be mapped: {fault}", hint)


def _name_fault(name: str) -> tuple[str | None, str | None]:
    top, _, rest = name.partition(".")
    if name in _IDENTITY:
        return "it is no attribute", _IDENTITY[name]
    if name in (LOCATION, PROPERTIES):
        return "it is made of parts", f"map them one by one, e.g. {name}.{'city' if name == LOCATION else 'tier'}"
    if top == LOCATION and rest not in LOCATION_FIELDS:
        near = difflib.get_close_matches(rest, LOCATION_FIELDS, n=1)
        hint = f"did you mean 'location.{near[0]}'?" if near else f"there is {', '.join(LOCATION_FIELDS)}"
        return f"a location has no {rest!r}", hint
    own = path_of(name)[-1]
    if own.startswith("$"):
        return "names that begin with $ mean something to Klaviyo", None
    if own.strip() != own or not own:
        return "its name is empty or has blanks at an end", None
    return None, None


def named_by(pointed: str, names: Collection[str]) -> list[str]:
    """Which of the attributes a pointer into a profile means: "properties/tier" one, "properties" every property."""
    parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointed.split("/"))
    return [name for name in names if path_of(name)[: len(parts)] == parts[:2]]


class Unfit(ValueError):
    """A value that JSON or Klaviyo has no form for. No part of it is in the text."""


def to_json(name: str, value: Any, field_type: str | None) -> Any:
    """A warehouse value as Klaviyo takes it for the attribute; None stays None. Unfit.

    Dates and times are ISO 8601, times in UTC; Klaviyo's own fields are texts, coordinates may be numbers.
    """
    found = _plain(value, field_type)
    if not has_json(found):
        raise Unfit("JSON has no form for it")
    path = path_of(name)
    is_text = path[0] != PROPERTIES and path[-1] not in COORDINATES
    if found is None or isinstance(found, str) or not is_text:
        return found
    return orjson.dumps(found).decode()


def _plain(value: Any, field_type: str | None = None) -> Any:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unfit("it is no finite number")
        return value
    if isinstance(value, datetime):
        return in_utc(value).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if field_type == "list" and isinstance(value, str):
        return _unfolded(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _unfolded(text: str) -> Any:
    """A list that the warehouse keeps as text."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return found if isinstance(found, list) else text

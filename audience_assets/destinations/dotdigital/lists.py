"""Lists by name: what a name may be, finding and making one, and keeping its visibility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from audience_assets.destinations.base import ListRef, Misconfigured, Unavailable
from audience_assets.destinations.dotdigital.client import DotdigitalClient
from audience_assets.destinations.dotdigital.errors import NameTaken

# Configuration of lists: names are 1 to 128 characters, and unique among the lists and the segments of an account.
LONGEST_NAME = 128
RESERVED = ("Test", "All contacts")
VISIBILITY = "visibility"
CREATE_ATTEMPTS = 3


def name_fault(name: str) -> str | None:
    """Why Dotdigital would not take a list of that name; None if it may."""
    if not name.strip():
        return "a Dotdigital list needs a name"
    if len(name) > LONGEST_NAME:
        return f"a Dotdigital list's name has at most {LONGEST_NAME} characters, this one has {len(name)}"
    reserved = next((each for each in RESERVED if each.casefold() == name.strip().casefold()), None)
    return f"{reserved!r} is one of Dotdigital's own lists; nobody can write to it" if reserved else None


def check_name(name: str) -> None:
    """Misconfigured if the name can't be a list's."""
    fault = name_fault(name)
    if fault:
        raise Misconfigured(f"list_name {name[:LONGEST_NAME]!r}: {fault}. Set another list_name.")


@dataclass(frozen=True)
class Lists:
    """The account's lists. `visibility` is what the activation wants, None where it does not say."""

    client: DotdigitalClient
    visibility: str | None

    def find(self, name: str) -> ListRef | None:
        """The list of exactly that name. Names are unique, so there is one at most."""
        check_name(name)
        found = next((each for each in self.client.lists() if each.get("name") == name), None)
        return list_ref(found) if found else None

    def get(self, list_id: str) -> ListRef:
        return list_ref(self.client.get_list(list_id))

    def ensure(self, name: str) -> ListRef:
        """Found or made; one that was there already is adopted and shown to whom the activation says."""
        for attempt in range(CREATE_ATTEMPTS):
            # Looked up before every try: a call whose answer was lost may have made the list.
            found = self.find(name)
            if found is not None:
                return self.keep(found) if attempt == 0 else _as_made(found)
            try:
                made = self.client.create_list(name, (self.visibility or "private").capitalize())
                return _as_made(list_ref(made))
            except Unavailable as error:
                outage = error
            except NameTaken as error:
                raise Misconfigured(
                    f"Dotdigital has no list {name!r}, but the name is taken: by a segment, or by a list spelled with "
                    "other capitals. Set another list_name.",
                    status=error.status,
                ) from None
        raise outage

    def keep(self, target: ListRef) -> ListRef:
        """Give the list the visibility that the activation asks for."""
        if self.visibility is None or target.facts.get(VISIBILITY) == self.visibility:
            return target
        # The call wants a name, and somebody may have renamed the list since it was last seen.
        name = str(self.client.get_list(target.id)["name"])
        changed = list_ref(self.client.update_list(target.id, name, self.visibility.capitalize()))
        return replace(target, name=name, facts={**target.facts, VISIBILITY: changed.facts[VISIBILITY]})


def list_ref(found: Mapping[str, Any]) -> ListRef:
    """A list as Dotdigital returns it."""
    facts = {VISIBILITY: str(found.get("visibility") or "unknown").lower(), "adopted": "yes"}
    return ListRef(id=str(found["id"]), name=str(found["name"]), facts=facts)


def _as_made(made: ListRef) -> ListRef:
    return replace(made, created=True, facts={**made.facts, "adopted": "no"})

"""Lists at Klaviyo: found by name or created, whatever service they serve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from audience_assets.destinations.base import ListRef, Misconfigured, Unavailable
from audience_assets.destinations.klaviyo.client import KlaviyoClient

OPT_IN_PROCESS = "opt-in process"
SINGLE_OPT_IN = "single_opt_in"
CREATE_ATTEMPTS = 3


@dataclass(frozen=True)
class Lists:
    """The lists of one account. `opt_in_process` is for those we create."""

    client: KlaviyoClient
    opt_in_process: str

    def find(self, name: str) -> ListRef | None:
        found = self.client.lists_named(name)
        if len(found) > 1:
            ids = " and ".join(str(each["id"]) for each in found)
            raise Misconfigured(
                f"Klaviyo has {len(found)} lists called {name!r} ({ids}): rename all but one, or set another list_name."
            )
        return _list_ref(found[0]) if found else None

    def get(self, list_id: str) -> ListRef:
        return _list_ref(self.client.list(list_id))

    def ensure(self, name: str) -> ListRef:
        for attempt in range(CREATE_ATTEMPTS):
            # Looked up before every try: a second create call makes a second list if only the answer was lost.
            found = self.find(name)
            if found is not None:
                return found if attempt == 0 else replace(found, created=True, facts={**found.facts, "adopted": "no"})
            try:
                return _list_ref(self.client.create_list(name, self.opt_in_process), created=True)
            except Unavailable as error:
                outage = error
        raise outage


def _list_ref(resource: dict[str, Any], *, created: bool = False) -> ListRef:
    attributes = resource["attributes"]
    process = str(attributes.get("opt_in_process") or "unknown")
    return ListRef(
        id=str(resource["id"]),
        name=str(attributes["name"]),
        created=created,
        url=f"https://www.klaviyo.com/list/{resource['id']}",
        facts={OPT_IN_PROCESS: process, "adopted": "no" if created else "yes"},
    )

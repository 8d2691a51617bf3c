"""Settings laid over each other, with where each came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from audience_assets.destinations.base import DestinationType
from audience_assets.project.activations import ActivationSettings, ConsentSettings, Guard, Schedule
from audience_assets.project.activations import Mapping as FieldMapping
from audience_assets.project.project import Project
from audience_assets.project.yaml_text import KeyPath, dotted

BUILT_IN = "built-in default"
DEFAULT_LIST_NAME = "{segment_label}"

BUILT_IN_SETTINGS: dict[str, Any] = {
    "list_name": DEFAULT_LIST_NAME,
    "mapping": FieldMapping().model_dump(),
    "consent": ConsentSettings().model_dump(),
    "options": {},
    "schedule": Schedule().model_dump(),
    "trigger": "on_change",
    "guard": Guard().model_dump(),
    "foreign": "keep",
    "on_duplicate": "fail",
    "owners": [],
    "tags": {},
    "fresh_within": "26h",
}


@dataclass
class Merged:
    """Merged settings, and for each dotted setting where it came from."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def lay(self, settings: Mapping[str, Any], origin: Callable[[KeyPath], str]) -> None:
        """Put settings over what is there; `origin` says where a setting stands."""
        self._lay(self.data, settings, (), origin)

    def _lay(
        self, below: dict[str, Any], above: Mapping[str, Any], path: KeyPath, origin: Callable[[KeyPath], str]
    ) -> None:
        for key, value in above.items():
            here = (*path, key)
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                self._lay(below[key], value, here, origin)
            else:
                self._forget(here)
                below[key] = deepcopy(value)
                self._note(value, here, origin)

    def empty(self, *path: str) -> None:
        """What was said of a map so far no longer counts."""
        holder = self.data
        for key in path[:-1]:
            holder = holder[key]
        self._forget(path)
        holder[path[-1]] = {}

    def drop(self, path: KeyPath) -> None:
        """Take a setting back."""
        self._forget(path)
        *parents, last = path
        place: Any = self.data
        for key in parents:
            place = place[key]
        del place[last]

    def _forget(self, path: KeyPath) -> None:
        name = dotted(path)
        for known in [each for each in self.origins if each == name or each.startswith(f"{name}.")]:
            del self.origins[known]

    def _note(self, value: Any, path: KeyPath, origin: Callable[[KeyPath], str]) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                self._note(each, (*path, key), origin)
        else:
            self.origins[dotted(path)] = origin(path)


def authored(settings: ActivationSettings) -> dict[str, Any]:
    """What was written, and nothing that is a default of the models."""
    return settings.model_dump(exclude_unset=True, include=set(ActivationSettings.model_fields))


def source_in(project: Project, prefix: str, path: KeyPath, otherwise: str) -> str:
    while path:
        found = project.sources.get(f"{prefix}.{dotted(path)}")
        if found:
            return found
        path = path[:-1]
    return project.sources.get(prefix, otherwise)


def usual_service(kind: DestinationType) -> str | None:
    """What an activation means that names no service: the vendor's only one, or the one it says."""
    return next(iter(kind.services)) if len(kind.services) == 1 else kind.usual_service

"""`project.yaml` as models, and as much of it as possible when parts of it are wrong."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from audience_assets.project.places import Place
from audience_assets.project.project import ProjectFile
from audience_assets.project.times import zone
from audience_assets.project.validation import failed_paths, report
from audience_assets.project.yaml_text import KeyPath

# Parts that can be left out so that the rest can still be checked, the smallest first. A star is any name.
_PARTS: tuple[KeyPath, ...] = (
    ("models", "*", "fields", "*"),
    ("models", "*", "base_filter"),
    ("models", "*"),
    ("relationships", "*"),
    ("calculated_fields", "*", "*"),
    ("calculated_fields", "*"),
    ("*", "*"),
    ("*",),
)
# Stands in for what has to be there; the project is refused anyway.
_SUBSTITUTES: dict[str, Any] = {"project": "unnamed", "warehouse": {"url": "sqlite://"}, "models": {}}


@dataclass(frozen=True)
class ReadProject:
    """What could be read.

    `declared` are all models that were named, `damaged` those that could not be read, and `unread` fields, plain and
    calculated, that could not, as (model, field).
    """

    settings: ProjectFile
    relationship_places: list[Place]
    declared: frozenset[str] = frozenset()
    damaged: frozenset[str] = frozenset()
    unread: frozenset[tuple[str, str]] = frozenset()


@dataclass
class _Salvage:
    data: dict[str, Any]
    place: Place
    damaged: set[str] = field(default_factory=set)
    unread: set[tuple[str, str]] = field(default_factory=set)
    relationships: list[int] = field(default_factory=list)

    def leave_out(self, path: KeyPath) -> None:
        """Remove the smallest part there is that holds the path."""
        for part in _PARTS:
            if _matches(part, path) and self._remove(path[: len(part)]):
                self._note(path[: len(part)])
                return

    def _note(self, path: KeyPath) -> None:
        match path:
            case ("models", model, "fields", name) | ("calculated_fields", model, name):
                self.unread.add((str(model), str(name)))
            case ("models", model) | ("calculated_fields", model):
                self.damaged.add(str(model))

    def _remove(self, path: KeyPath) -> bool:
        *parents, last = path
        holder: Any = self.data
        for key in parents:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            return holder.pop(last, self) is not self
        if isinstance(holder, list) and isinstance(last, int):
            # Kept as a gap until the round is over: later paths count from the old places.
            holder[last] = None
            return True
        return False

    def close_gaps(self) -> None:
        kept = self.data.get("relationships")
        if isinstance(kept, list):
            pairs = list(zip(self.relationships, kept, strict=True))
            self.relationships = [index for index, each in pairs if each is not None]
            self.data["relationships"] = [each for _, each in pairs if each is not None]
        else:
            self.relationships = []


def read_project(place: Place) -> ReadProject:
    """The project's settings; every mistake in them is reported."""
    source = place.document.data
    relationships = source.get("relationships")
    count = len(relationships) if isinstance(relationships, list) else 0
    salvage = _Salvage(deepcopy(source), place, relationships=list(range(count)))
    settings = _validated(salvage)
    _check_calendar(settings, place)
    models = source.get("models")
    return ReadProject(
        settings,
        [place.at("relationships", index) for index in salvage.relationships],
        declared=frozenset(models if isinstance(models, dict) else ()),
        damaged=frozenset(salvage.damaged),
        unread=frozenset(salvage.unread),
    )


def _validated(salvage: _Salvage) -> ProjectFile:
    """Round by round without the parts that are wrong; each round leaves something out, so there is a last one."""
    try:
        return ProjectFile.model_validate(salvage.data)
    except ValidationError as error:
        report(ProjectFile, error, salvage.place)
        mistakes = failed_paths(ProjectFile, error)
    while mistakes:
        for path in mistakes:
            salvage.leave_out(path)
        salvage.close_gaps()
        salvage.data = {**_SUBSTITUTES, **salvage.data}
        try:
            return ProjectFile.model_validate(salvage.data)
        except ValidationError as error:
            mistakes = failed_paths(ProjectFile, error)
    return ProjectFile.model_validate(_SUBSTITUTES)


def _matches(part: KeyPath, path: KeyPath) -> bool:
    return len(part) <= len(path) and all(want in ("*", got) for want, got in zip(part, path, strict=False))


def _check_calendar(settings: ProjectFile, place: Place) -> None:
    try:
        today = datetime.now(zone(settings.timezone)).date()
    except ValueError as error:
        place.at("timezone").report(str(error))
        return
    if settings.first_sync_day > today:
        place.at("first_sync_day").report(f"{settings.first_sync_day} is not here yet: nothing could be delivered")

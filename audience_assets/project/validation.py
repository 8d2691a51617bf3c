"""Data held against a model: every mistake is reported where it stands, once, and not its consequences too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from audience_assets.project.conditions import NODE_KEYS
from audience_assets.project.model_paths import keys_of, locate
from audience_assets.project.places import Place, close_match
from audience_assets.project.wording import explain
from audience_assets.project.yaml_text import KeyPath

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Mistake:
    """One thing that pydantic refuses: its path in the data, and the model that the path's last key belongs to."""

    detail: ErrorDetails
    path: KeyPath
    owner: type[BaseModel] | None

    def explained(self, *, private: bool = False) -> tuple[str, str | None]:
        """Message and hint; `private` keeps the value out of them."""
        return explain(self.detail, self.owner, private=private)


def validate(model: type[Model], data: Any, place: Place) -> Model | None:
    """`data` as the model, or None after reporting every mistake."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        report(model, error, place)
        return None


def salvage(model: type[Model], data: Any, place: Place, *, alone: bool = False) -> tuple[Model, Place] | None:
    """`data` as the model after leaving out what pydantic refuses, so that the rest can be judged too, and its place.

    That is the whole setting that a mistake is in, or the mistake `alone` where the rest does not depend on it. None if
    the model can't do without. The mistakes themselves are not reported here.
    """
    try:
        return model.model_validate(data), place
    except ValidationError as error:
        paths = {path if alone else _left_out(path) for path in failed_paths(model, error)}
    try:
        return model.model_validate(_without(data, (), paths)), place.without(paths)
    except ValidationError:
        return None


def _left_out(path: KeyPath) -> KeyPath:
    """The item of a list, or else the setting, that a mistake is in: half of one would be judged for what it lacks."""
    ends = [index for index, key in enumerate(path) if isinstance(key, int)]
    return path[: ends[-1] + 1] if ends else path[:1]


def _without(data: Any, path: KeyPath, gone: set[KeyPath]) -> Any:
    if isinstance(data, dict):
        return {key: _without(each, (*path, key), gone) for key, each in data.items() if (*path, key) not in gone}
    if isinstance(data, list):
        kept = ((index, each) for index, each in enumerate(data) if (*path, index) not in gone)
        return [_without(each, (*path, index), gone) for index, each in kept]
    return data


def report(model: type[BaseModel], error: ValidationError, place: Place) -> None:
    for mistake in mistakes(model, error):
        place.at(*mistake.path).report(*mistake.explained())


def failed_paths(model: type[BaseModel], error: ValidationError) -> list[KeyPath]:
    """Where in the data each mistake is."""
    return [locate(model, detail["loc"])[0] for detail in error.errors()]


def mistakes(model: type[BaseModel], error: ValidationError) -> list[Mistake]:
    """The mistakes without those that only follow from another one."""
    found = [Mistake(detail, *locate(model, detail["loc"])) for detail in error.errors()]
    return [each for each in found if not any(_follows(each, other) for other in found)]


def _follows(mistake: Mistake, other: Mistake) -> bool:
    kind = mistake.detail["type"]
    if kind == "too_short":
        # An item that was refused is missing from the list.
        return len(other.path) > len(mistake.path) and other.path[: len(mistake.path)] == mistake.path
    if mistake.path[:-1] != other.path[:-1] or other.detail["type"] != "extra_forbidden":
        return False
    if kind == "missing":
        return stands_for(str(mistake.path[-1]), [str(other.path[-1])], other.owner)
    # Of two kinds of condition in one map, the other keys are those of the second kind.
    second_kind = (
        other.path[-1] in NODE_KEYS and other.owner is not None and bool({*keys_of(other.owner)} & {*NODE_KEYS})
    )
    return kind == "extra_forbidden" and second_kind and mistake.path[-1] not in NODE_KEYS


def stands_for(missing: str, unknown: Iterable[str], owner: type[BaseModel] | None) -> bool:
    """Whether one of the unknown keys is most likely the missing one, misspelt."""
    valid = keys_of(owner) if owner else [missing]
    return any(close_match(key, valid) == missing for key in unknown)

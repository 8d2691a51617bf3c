"""From pydantic's location of a mistake to the path in the data and the model it belongs to."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag

from audience_assets.project.yaml_text import KeyPath


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys a map of this model may have."""
    return [field.alias or name for name, field in model.model_fields.items()]


def locate(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[KeyPath, type[BaseModel] | None]:
    """The data's path for pydantic's location (which also names the union's members), and the model it ends in.

    For a key that a model does not know, or that is missing, it is that model.
    """
    path: list[int | str] = []
    annotation: Any = model
    owner: type[BaseModel] | None = None
    for part in location:
        annotation = _plain(annotation)
        tagged = _members(annotation).get(part) if isinstance(part, str) else None
        if tagged is not None:
            annotation = tagged
            continue
        owner, annotation = _step(annotation, part)
        path.append(part)
    return tuple(path), owner


def _plain(annotation: Any) -> Any:
    """Without Annotated and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif _is_union(annotation) and len(_choices(annotation)) == 1:
            annotation = _choices(annotation)[0]
        else:
            return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (typing.Union, types.UnionType)


def _choices(annotation: Any) -> list[Any]:
    return [each for each in get_args(annotation) if each is not type(None)]


def _members(annotation: Any) -> Mapping[str, Any]:
    """Members of a tagged union by tag."""
    found: dict[str, Any] = {}
    for choice in _choices(annotation) if _is_union(annotation) else []:
        if get_origin(choice) is Annotated:
            base, *extras = get_args(choice)
            found |= {extra.tag: base for extra in extras if isinstance(extra, Tag)}
    return found


def _step(annotation: Any, part: int | str) -> tuple[type[BaseModel] | None, Any]:
    """The model that `part` is a key of, if it is one, and what stands there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part in (field.alias, name):
                return annotation, field.annotation
        return annotation, None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return None, arguments[1]
    if origin in (list, tuple) and isinstance(part, int):
        return None, arguments[0] if origin is list or arguments[-1] is Ellipsis else arguments[part]
    return None, None

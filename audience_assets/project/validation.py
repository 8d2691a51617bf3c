"""What pydantic finds, told in the words of somebody who edits a YAML file."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from audience_assets.project.conditions import NODE_KEYS
from audience_assets.project.places import Place, nearest
from audience_assets.project.yaml_text import KeyPath

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def validate(model: type[Model], data: Any, place: Place, *, private: bool = False) -> Model | None:
    """`data` as the model, or None after reporting every mistake. `private` keeps values out of the messages."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        report(model, error, place, private=private)
        return None


def report(model: type[BaseModel], error: ValidationError, place: Place, *, private: bool = False) -> None:
    for detail in error.errors():
        path, owner = locate(model, detail["loc"])
        message, hint = explain(detail, owner, private=private)
        place.at(*path).report(message, hint)


def failed_paths(model: type[BaseModel], error: ValidationError) -> list[KeyPath]:
    """Where in the data each mistake is."""
    return [locate(model, detail["loc"])[0] for detail in error.errors()]


def explain(detail: ErrorDetails, owner: type[BaseModel] | None, *, private: bool = False) -> tuple[str, str | None]:
    """Message and hint for one mistake; `owner` is the model that the key belongs to."""
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return _unknown_key(str(detail["loc"][-1]), owner)
        case "union_tag_not_found":
            return _no_condition(value)
        case "literal_error":
            return _no_choice(value, re.findall(r"'([^']*)'", str(context["expected"])), private=private)
    return _message(kind, value, context, private=private) or detail["msg"], None


def _message(kind: str, value: Any, context: dict[str, Any], *, private: bool) -> str | None:
    shown = "" if private or isinstance(value, dict | list) else f", not {value!r}"
    message = None
    if kind == "missing":
        message = "is required"
    elif kind in _EXPECTED:
        message = f"is empty: expected {_EXPECTED[kind]}" if value is None else f"expected {_EXPECTED[kind]}{shown}"
    elif kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        message = f"must be {words} {context[key]}{shown}"
    elif kind == "too_short":
        message = f"needs at least {context['min_length']} item{'s' if context['min_length'] != 1 else ''}"
    elif kind == "too_long":
        message = f"takes at most {context['max_length']} items"
    elif kind == "value_error":
        message = str(context["error"])
    return message


def _no_choice(value: Any, choices: list[str], *, private: bool) -> tuple[str, str | None]:
    one_of = f"is not one of {', '.join(choices)}"
    if private or not isinstance(value, str):
        return f"the value {one_of}", None
    hint = nearest(value, choices)
    return f"{value!r} {one_of}", hint if hint and hint.startswith("did") else None


def _unknown_key(key: str, owner: type[BaseModel] | None) -> tuple[str, str | None]:
    valid = keys_of(owner) if owner else []
    if key in NODE_KEYS and any(each in NODE_KEYS for each in valid):
        return f"{key!r} is another kind of condition; a condition has one", "put them side by side under `all:`"
    return f"unknown key {key!r}", nearest(key, valid)


def _no_condition(value: Any) -> tuple[str, str | None]:
    wanted = ", ".join(NODE_KEYS)
    if not isinstance(value, dict):
        return f"expected a condition: a map with one of the keys {wanted}", None
    hints = (nearest(str(key), NODE_KEYS) for key in value)
    close = next((hint for hint in hints if hint and hint.startswith("did")), None)
    return f"a condition needs one of the keys {wanted}", close


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

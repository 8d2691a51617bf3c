"""Pydantic's findings in the words of somebody who edits a YAML file."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from audience_assets.project.conditions import NODE_KEYS
from audience_assets.project.model_paths import keys_of
from audience_assets.project.places import did_you_mean, nearest

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
    "date_type": "a date such as 2026-01-31",
    "date_parsing": "a date such as 2026-01-31",
    "date_from_datetime_parsing": "a date such as 2026-01-31",
    "date_from_datetime_inexact": "a date such as 2026-01-31",
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
        message = f"must be {words} {context[key]:g}{shown}"
    elif kind == "too_short":
        message = f"needs at least {context['min_length']} item{'s' if context['min_length'] != 1 else ''}"
    elif kind == "too_long":
        message = f"takes at most {context['max_length']} items"
    elif kind == "decimal_max_places":
        message = f"has at most {context['decimal_places']} decimal places{shown}"
    elif kind == "value_error":
        message = str(context["error"])
    return message


def _no_choice(value: Any, choices: list[str], *, private: bool) -> tuple[str, str | None]:
    one_of = f"is not one of {', '.join(choices)}"
    if private or not isinstance(value, str):
        return f"the value {one_of}", None
    return f"{value!r} {one_of}", did_you_mean(value, choices)


def _unknown_key(key: str, owner: type[BaseModel] | None) -> tuple[str, str | None]:
    valid = keys_of(owner) if owner else []
    if key in NODE_KEYS and any(each in NODE_KEYS for each in valid):
        return f"{key!r} is another kind of condition; a condition has one", "put them side by side under `all:`"
    return f"unknown key {key!r}", nearest(key, valid)


def _no_condition(value: Any) -> tuple[str, str | None]:
    wanted = ", ".join(NODE_KEYS)
    if not isinstance(value, dict):
        return f"expected a condition: a map with one of the keys {wanted}", None
    hints = (did_you_mean(str(key), NODE_KEYS) for key in value)
    return f"a condition needs one of the keys {wanted}", next(filter(None, hints), None)

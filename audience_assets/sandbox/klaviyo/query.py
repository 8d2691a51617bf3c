"""Query parameters: what each operation knows, and what one call asks for."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audience_assets.sandbox.klaviyo import filters
from audience_assets.sandbox.klaviyo.errors import Refusal, refusal
from audience_assets.sandbox.klaviyo.switches import KlaviyoSwitches

BRACKETED = re.compile(r"(fields|additional-fields|page)\[([\w-]+)\]")
NOTHING: Mapping[str, filters.Field] = {}


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """The parameters of one operation. `page_size` is (default, greatest); None: not paged by size."""

    fields: frozenset[str] = frozenset()
    additional: Mapping[str, frozenset[str]] = field(default_factory=dict)
    include: frozenset[str] = frozenset()
    filters: Mapping[str, filters.Field] = field(default_factory=dict)
    sorts: frozenset[str] = frozenset()
    page_size: tuple[int, int] | None = None
    paged: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page starts: after (or, going back, before) a position."""

    position: int
    backwards: bool = False

    def __str__(self) -> str:
        text = f"{'prev' if self.backwards else 'next'}::{self.position}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(slots=True)
class Query:
    """The parameters of one call. `fields` holds sparse fieldsets by resource type."""

    fields: dict[str, frozenset[str]] = field(default_factory=dict)
    additional: frozenset[str] = frozenset()
    include: frozenset[str] = frozenset()
    conditions: list[filters.Condition] = field(default_factory=list)
    sort: str = ""
    descending: bool = False
    size: int = 20
    cursor: Cursor | None = None
    others: list[tuple[str, str]] = field(default_factory=list)  # everything but the cursor, for links


def parse(parameters: list[tuple[str, str]], spec: QuerySpec, switches: KlaviyoSwitches) -> Query:
    """Read a call's parameters; anything wrong is a 400 naming the parameter."""
    query = Query(size=spec.page_size[0] if spec.page_size else 20)
    for name, value in parameters:
        if name != "page[cursor]":
            query.others.append((name, value))
        if not _take(query, spec, name, value, switches) and switches.refuse_unknown_parameters:
            raise refusal(400, f"'{name}' is not a valid query parameter for this operation.", parameter=name)
    return query


def _take(query: Query, spec: QuerySpec, name: str, value: str, switches: KlaviyoSwitches) -> bool:
    """Read one parameter; False when the operation does not know it."""
    bracketed = BRACKETED.fullmatch(name)
    match bracketed.groups() if bracketed else (name, None):
        case "fields", kind if kind in spec.fields:
            query.fields[str(kind)] = _names(value)
        case "additional-fields", kind if kind in spec.additional:
            query.additional = _only(_names(value), spec.additional[str(kind)], name)
        case "include", None if spec.include:
            query.include = _only(_names(value), spec.include, name)
        case "sort", None if spec.sorts:
            query.sort, query.descending = value.removeprefix("-"), value.startswith("-")
            _only(frozenset({query.sort}), spec.sorts, name)
        case "filter", None if spec.filters:
            query.conditions = filters.parse(value, spec.filters, switches.any_limit)
        case "page", "size" if spec.page_size:
            query.size = _size(value, spec.page_size[1])
        case "page", "cursor" if spec.page_size or spec.paged:
            query.cursor = _cursor(value)
        case _:
            return False
    return True


def _names(value: str) -> frozenset[str]:
    return frozenset(value.split(","))


def _only(names: frozenset[str], allowed: frozenset[str], parameter: str) -> frozenset[str]:
    unknown = sorted(names - allowed)
    if unknown:
        choices = ", ".join(sorted(allowed))
        raise refusal(400, f"'{unknown[0]}' is not valid here; one of {choices}.", parameter=parameter)
    return names


def _size(value: str, greatest: int) -> int:
    if not value.isdigit() or not 1 <= int(value) <= greatest:
        raise refusal(400, f"Page size must be an integer between 1 and {greatest}.", parameter="page[size]")
    return int(value)


def _cursor(value: str) -> Cursor:
    # Klaviyo's own client cuts the cursor out of a link together with the equals sign.
    value = value.strip("=")
    try:
        text = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _bad_cursor() from None
    direction, _, position = text.partition("::")
    if direction not in ("next", "prev") or not position.isdigit():
        raise _bad_cursor()
    return Cursor(int(position), direction == "prev")


def _bad_cursor() -> Refusal:
    return refusal(400, "Invalid cursor.", parameter="page[cursor]")


def sparse(attributes: dict[str, Any], wanted: frozenset[str] | None) -> dict[str, Any]:
    """Only the wanted attributes; `subscriptions.email` wants a part of a nested one."""
    if wanted is None:
        return attributes
    result: dict[str, Any] = {}
    for path in wanted:
        source, target = attributes, result
        *parents, last = path.split(".")
        for parent in parents:
            inner = source.get(parent)
            if not isinstance(inner, dict):
                break
            source, target = inner, target.setdefault(parent, {})
        else:
            if last in source:
                target[last] = source[last]
    return result

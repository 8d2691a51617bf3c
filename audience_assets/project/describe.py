"""Conditions in a reader's words: for asset descriptions, `explain` and anybody who does not read YAML."""

from __future__ import annotations

from typing import Any

from audience_assets.project.conditions import (
    All,
    Any_,
    Condition,
    Consent,
    FieldCondition,
    Not,
    Rank,
    Received,
    Related,
    Sample,
    SegmentMember,
    UploadedList,
    Window,
)
from audience_assets.project.operators import canonical
from audience_assets.project.project import Project

_WORDS = {
    "is": "is",
    "is_not": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "between": "is between",
    "not_between": "is not between",
    "is_set": "is known",
    "is_not_set": "is not known",
    "is_empty": "is empty",
    "is_not_empty": "is not empty",
    "is_true": "is true",
    "is_false": "is false",
    "in_last": "was in the last",
    "not_in_last": "was not in the last",
    "in_next": "is in the next",
    "more_than_ago": "was longer ago than",
    "anniversary_in_next": "has its anniversary in the next",
    "anniversary_in_last": "had its anniversary in the last",
    "month_is": "is in the month",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "not_starts_with": "does not start with",
    "ends_with": "ends with",
    "not_ends_with": "does not end with",
    "before": "is before",
    "on_or_before": "is on or before",
    "after": "is after",
    "on_or_after": "is on or after",
    "includes_any": "includes any of",
    "includes_none": "includes none of",
    "includes_all": "includes all of",
    "length_gte": "has at least this many items:",
    "length_lte": "has at most this many items:",
}
_INDENT = "  "


def describe(condition: Condition | None, project: Project) -> str:
    """The condition as indented lines, one a condition. None means everybody."""
    if condition is None:
        return "everybody"
    return "\n".join(_lines(condition, project))


def _lines(node: Condition, project: Project) -> list[str]:
    if isinstance(node, All):
        return _group("all of:", node.all, project)
    if isinstance(node, Any_):
        return _group("any of:", node.any, project)
    if isinstance(node, Not):
        return _group("not:", [node.not_], project)
    if isinstance(node, Related):
        head = _related(node)
        return [head] if node.where is None else [f"{head} where", *_indented(_lines(node.where, project))]
    return [_leaf(node)]


def _group(title: str, children: list[Condition], project: Project) -> list[str]:
    return [title, *(line for child in children for line in _indented(_lines(child, project)))]


def _indented(lines: list[str]) -> list[str]:
    return [f"{_INDENT}{line}" for line in lines]


def _leaf(node: Condition) -> str:
    if isinstance(node, FieldCondition):
        return f"{node.field} {_comparison(node.op, node.value)}"
    if isinstance(node, SegmentMember):
        return _segment(node)
    if isinstance(node, Consent):
        state = node.consent
        return f"the newest {state.channel} consent is {state.status}{_window(state.at)}"
    if isinstance(node, Received):
        return _received(node)
    if isinstance(node, Sample):
        return f"a random {node.sample.percent:g} % of everybody (salt {node.sample.salt})"
    if isinstance(node, Rank):
        return _rank(node)
    if isinstance(node, UploadedList):
        return f"is in the uploaded list {node.list}"
    raise TypeError(f"no words for {type(node).__name__}")


def _comparison(op: str, value: Any) -> str:
    words = _WORDS[canonical(op)]
    return words if value is None else f"{words} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("field", value))
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(item) for item in value)
    return str(value)


def _segment(node: SegmentMember) -> str:
    parts = [f"is {'' if node.is_member else 'not '}in segment {node.segment}"]
    if node.joined_within:
        parts.append(f"joined within {node.joined_within}")
    if node.left_within:
        parts.append(f"left within {node.left_within}")
    return ", ".join(parts)


def _received(node: Received) -> str:
    spec = node.received
    what = f"campaign {spec.campaign}" if spec.campaign else "a campaign"
    if spec.at_least > 1:
        what = f"at least {spec.at_least} campaigns"
    return f"received {what}{_window(Window(within=spec.within))}"


def _rank(node: Rank) -> str:
    rank = node.rank
    for amount, end, unit in (
        (rank.top, "top", ""),
        (rank.top_percent, "top", " %"),
        (rank.bottom, "bottom", ""),
        (rank.bottom_percent, "bottom", " %"),
    ):
        if amount is not None:
            return f"is in the {end} {amount:g}{unit} by {rank.by}"
    return f"is ranked by {rank.by}"


def _related(node: Related) -> str:
    if node.op is not None:
        measure = _measure(node)
        return f"{measure} {_comparison(node.op, node.value)}{_window(node.window)}"
    has = {"none": "has no", "all": "has only"}.get(node.quantifier or "any", "has")
    return f"{has} {node.related}{_window(node.window)}"


def _measure(node: Related) -> str:
    kind, _, field = (node.measure or "count").partition(":")
    if kind == "count":
        return f"number of {node.related}"
    words = {
        "sum": "sum",
        "avg": "average",
        "min": "smallest",
        "max": "largest",
        "count_distinct": "number of different",
    }
    return f"{words.get(kind, kind)} of {node.related}.{field}"


def _window(window: Window | None) -> str:
    if window is None or window.all_time:
        return ""
    if window.within:
        return f" in the last {window.within}"
    if window.between:
        return f" between {window.between[0]} and {window.between[1]} ago"
    since = f" since {window.since}" if window.since else ""
    return since + (f" until {window.until}" if window.until else "")

"""Do an operator and its value fit the type they are used with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from audience_assets.project.conditions import FieldCondition, Window
from audience_assets.project.fields import Fields
from audience_assets.project.models import FieldType
from audience_assets.project.operators import (
    MEASURE_OPERATORS,
    OPERATORS,
    TEMPORAL_TYPES,
    Operator,
    canonical,
    coerce,
    coerce_month,
    operators_for,
)
from audience_assets.project.places import Place, nearest
from audience_assets.project.times import check_moment, parse_duration

MOST_VALUES = 1_000


def check_duration(text: str, place: Place, *, fixed: bool = False) -> None:
    """A duration; a `fixed` one has a length in hours, so no months."""
    try:
        duration = parse_duration(text)
        if fixed:
            duration.exact()
    except ValueError as error:
        place.report(str(error))


def check_field_value(node: FieldCondition, kind: FieldType, fields: Fields, model: str, place: Place) -> None:
    """Operator and value of a condition on a field of type `kind`."""
    try:
        name = canonical(node.op)
    except ValueError:
        place.at("op").report(f"there is no operator {node.op!r}", nearest(node.op, operators_for(kind)))
        return
    operator = OPERATORS[name]
    if kind not in operator.types:
        allowed = ", ".join(operators_for(kind))
        place.at("op").report(f"{name} does not work on {node.field!r}, which is {kind}", f"use one of {allowed}")
        return
    if isinstance(node.value, dict):
        _check_other_field(node, name, operator, kind, fields, model, place.at("value"))
    else:
        _check_arity(node.value, name, operator, place, lambda value: _check_operand(value, operator, kind))
    if node.ignore_case is not None and kind != "text":
        place.at("ignore_case").report(f"only text has upper and lower case; {node.field!r} is {kind}")
    if node.bounds != "[]" and operator.arity != "two":
        place.at("bounds").report(f"`bounds` goes with between and not_between, not with {name}")


def check_measure_value(op: str, value: Any, place: Place) -> None:
    """Operator and value that a measure of a related model is compared with."""
    try:
        name = canonical(op)
    except ValueError:
        name = op
    if name not in MEASURE_OPERATORS:
        known = name in OPERATORS
        hint = f"use one of {', '.join(MEASURE_OPERATORS)}" if known else nearest(op, MEASURE_OPERATORS)
        text = f"{name} does not work on a measure, which is a number" if known else f"there is no operator {op!r}"
        place.at("op").report(text, hint)
        return
    operator = OPERATORS[name]
    _check_arity(value, name, operator, place, lambda each: _check_operand(each, operator, "number"))


def check_window(window: Window, place: Place) -> None:
    """One way of saying when: `within`, `between`, `all_time`, or `since` and `until`."""
    given = [key for key in ("within", "between", "all_time") if getattr(window, key)]
    ends = [key for key in ("since", "until") if getattr(window, key) is not None]
    if len(given) + bool(ends) != 1:
        said = ", ".join([*given, *ends]) or "nothing"
        place.report(f"a window says one of within, between, since/until or all_time; this one says {said}")
    if window.within is not None:
        check_duration(window.within, place.at("within"))
    for index, age in enumerate(window.between or ()):
        check_duration(age, place.at("between", index))
    if window.between and window.between[0] == window.between[1]:
        place.at("between").report("both ages are the same, so nothing lies between them")
    for key in ends:
        _report_value_error(partial(check_moment, getattr(window, key)), place.at(key))


def _check_arity(value: Any, name: str, operator: Operator, place: Place, check: Callable[[Any], None]) -> None:
    at = place.at("value")
    if operator.arity == "none":
        if value is not None:
            at.report(f"{name} takes no value")
    elif operator.arity == "one":
        if value is None:
            place.report(f"{name} needs a value")
        elif isinstance(value, list):
            at.report(f"{name} takes one value, not a list", "use in" if name == "is" else None)
        else:
            _report_value_error(lambda: check(value), at)
    else:
        _check_list(value, name, operator, place, check)


def _check_list(value: Any, name: str, operator: Operator, place: Place, check: Callable[[Any], None]) -> None:
    at = place.at("value")
    if operator.arity == "two" and (not isinstance(value, list) or len(value) != 2):
        place.report(f"{name} needs a list of two values, for example value: [1, 5]")
    elif not isinstance(value, list) or not value:
        place.report(f"{name} needs a list of values, for example value: [a, b]")
    elif len(value) > MOST_VALUES:
        at.report(f"{len(value)} values are more than {MOST_VALUES}", "upload them and use `list:`")
    else:
        _check_each(value, at, check)


def _check_each(values: list[Any], place: Place, check: Callable[[Any], None]) -> None:
    for index, value in enumerate(values):
        _report_value_error(partial(check, value), place.at(index))


def _report_value_error(check: Callable[[], None], place: Place) -> None:
    try:
        check()
    except ValueError as error:
        place.report(str(error))


def _check_operand(value: Any, operator: Operator, kind: FieldType) -> None:
    """Raises ValueError."""
    match operator.operand:
        case "duration":
            duration = parse_duration(value)
            if kind == "date" and not duration.whole_days:
                raise ValueError(f"{value!r} is less than a day, and a date has no hours: use d, w, mo, q or y")
        case "month":
            coerce_month(value)
        case "item":
            coerce(value, "text")
        case "length":
            coerce(value, "integer")
        case "value" if kind in TEMPORAL_TYPES:
            if not isinstance(value, str):
                raise ValueError("expected a date, a time or an anchor such as today-30d")
            check_moment(value)
        case "value":
            coerce(value, kind)


def _check_other_field(
    node: FieldCondition, name: str, operator: Operator, kind: FieldType, fields: Fields, model: str, place: Place
) -> None:
    """`value: {field: other}`: two fields of one row."""
    other = node.value.get("field")
    if set(node.value) != {"field"} or not isinstance(other, str):
        place.report("a value is text, a number, a list, or {field: OTHER_FIELD}")
        return
    if operator.arity != "one" or operator.operand != "value":
        place.report(f"{name} can't compare with another field")
        return
    other_kind = fields.resolve(model, other, place.at("field"))
    if other_kind is not None and other_kind != kind and not {kind, other_kind} <= {"integer", "number"}:
        place.report(f"{node.field!r} is {kind} and {other!r} is {other_kind}: only fields of one type can be compared")

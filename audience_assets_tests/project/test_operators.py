"""Operators by any of their names, and values as their field's type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from audience_assets.project.operators import (
    ALIASES,
    ALL_TYPES,
    OPERATORS,
    canonical,
    coerce,
    coerce_many,
    coerce_month,
    operators_for,
)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("=", "is"),
        ("EQ", "is"),
        ("is exactly", "is"),
        ("!=", "is_not"),
        ("is not exactly", "is_not"),
        ("null", "is_not_set"),
        ("is NULL", "is_not_set"),
        ("has", "contains"),
        (" >= ", "gte"),
        ("Not In", "not_in"),
        ("between", "between"),
    ],
)
def test_an_operator_has_one_name_whatever_is_written(written: str, name: str) -> None:
    assert canonical(written) == name


def test_an_unknown_operator_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"there is no operator 'contain'; did you mean 'contains'\?"):
        canonical("contain")
    with pytest.raises(ValueError, match=r"there is no operator 'regex'$"):
        canonical("regex")


def test_the_table_holds_together() -> None:
    assert set(ALIASES.values()) <= set(OPERATORS)
    assert not set(ALIASES) & set(OPERATORS)
    for operator in OPERATORS.values():
        assert operator.types <= ALL_TYPES
        if operator.negates:
            twin = OPERATORS[operator.negates]
            assert (twin.types, twin.arity, twin.operand) == (operator.types, operator.arity, operator.operand)
    assert operators_for("boolean") == ["is_set", "is_not_set", "is_true", "is_false"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("0123", "text", "0123"),
        ("", "text", ""),
        (77, "text", "77"),
        ("-42", "integer", -42),
        (7, "integer", 7),
        ("9223372036854775807", "integer", 2**63 - 1),
        ("3.10", "number", 3.1),
        ("1e3", "number", 1000.0),
        (".5", "number", 0.5),
        ("True", "boolean", True),
        ("2026-01-31", "date", date(2026, 1, 31)),
        ("2026-01-31", "timestamp", datetime(2026, 1, 31)),
        ("2026-01-31T10:00:00Z", "timestamp", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("F47AC10B58CC4372A5670E02B2C3D479", "uuid", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
    ],
)
def test_a_value_becomes_its_fields_type(value: Any, kind: str, expected: Any) -> None:
    result = coerce(value, kind)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (None, "text", "a value is missing"),
        (["a"], "text", "expected one value"),
        ({"a": 1}, "integer", "expected one value"),
        (True, "text", "put it in quotes"),
        ("a\x00b", "text", "NUL"),
        ("1.0", "integer", "is not a whole number"),
        ("1_000", "integer", "is not a whole number"),
        ("٣", "integer", "is not a whole number"),
        (True, "integer", "is not a whole number"),
        ("9223372036854775808", "integer", "is too large"),
        ("nan", "number", "is not a number"),
        ("inf", "number", "is not a number"),
        ("1e999", "number", "is too large"),
        ("yes", "boolean", "is neither true nor false"),
        ("2026-1-3", "date", "is not a date"),
        ("2026-02-30", "date", "is not a day of the calendar"),
        ("soon", "timestamp", "is not a time"),
        ("f47ac10b", "uuid", "is not a UUID"),
        ("a", "list", "can't be compared"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(value: Any, kind: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        coerce(value, kind)
    assert said in str(caught.value)


def test_the_wrong_one_of_many_values_is_named() -> None:
    assert coerce_many(["1", "2"], "integer") == [1, 2]
    with pytest.raises(ValueError, match="value 2: 'x' is not a whole number"):
        coerce_many(["1", "x"], "integer")
    with pytest.raises(ValueError, match="expected a list of values"):
        coerce_many("12", "integer")


@pytest.mark.parametrize(("written", "month"), [("1", 1), ("12", 12), ("March", 3), ("sep", 9), ("may", 5)])
def test_months(written: str, month: int) -> None:
    assert coerce_month(written) == month


@pytest.mark.parametrize("written", ["0", "13", "ma", "", "smarch", "²"])
def test_what_is_no_month(written: str) -> None:
    with pytest.raises(ValueError, match="is not a month"):
        coerce_month(written)

"""Formulas and measures: the whole grammar, and nothing beyond it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_assets.project.formula import (
    Binary,
    Coalesce,
    Formula,
    Name,
    Negative,
    Number,
    names,
    parse_formula,
)
from audience_assets.project.measures import Measure, measure_type, parse_measure

LEAVES = st.integers(0, 99).map(lambda n: Number(float(n))) | st.sampled_from(["a", "b_2", "country.rate"]).map(Name)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Negative, inner)
        | st.builds(Binary, st.sampled_from(["+", "-", "*", "/"]), inner, inner)
        | st.builds(Coalesce, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=10,
)


def written(tree: Formula) -> str:
    """The formula with every parenthesis there could be."""
    match tree:
        case Number(value):
            return f"{value:g}"
        case Name(name):
            return name
        case Negative(operand):
            return f"-({written(operand)})"
        case Binary(operator, left, right):
            return f"({written(left)}) {operator}({written(right)})"
        case Coalesce(operands):
            return f"coalesce({', '.join(written(each) for each in operands)})"


@given(TREES)
def test_every_formula_reads_as_its_tree(tree: Formula) -> None:
    assert parse_formula(written(tree)) == tree


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b / c", "(a / b) / c"),
        ("-a * b", "(-a) * b"),
        ("a--b", "a - (-b)"),
        ("  a+\n1. ", "a + 1"),
    ],
)
def test_precedence(text: str, same: str) -> None:
    assert parse_formula(text) == parse_formula(same)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the formula ends too early"),
        ("a +", "the formula ends too early"),
        ("(a", "the formula ends too early, expected ')'"),
        ("a b", "unexpected 'b' at character 3"),
        ("a ** 2", "unexpected '*' at character 4"),
        ("a % 2", "unexpected '%' at character 3"),
        ("a; drop", "unexpected ';' at character 2"),
        ("'a'", 'unexpected "\'" at character 1'),
        ("a.b()", "there is no function 'a.b'"),
        ("max(a, b)", "there is no function 'max': a formula knows coalesce() only"),
        ("coalesce()", "unexpected ')'"),
        ("a." + "b" * 600, "at most 500 characters"),
        ("(" * 200 + "a" + ")" * 200, "nested at most 50 deep"),
        ("-" * 200 + "a", "nested at most 50 deep"),
    ],
)
def test_what_is_no_formula(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_formula(text)
    assert said in str(caught.value)


@given(st.text(string.ascii_letters + string.digits + "+-*/(),. _", max_size=40))
def test_any_text_is_a_formula_or_a_value_error(text: str) -> None:
    try:
        assert all(isinstance(name, str) for name in names(parse_formula(text)))
    except ValueError as error:
        assert str(error)


def test_the_names_in_a_formula() -> None:
    assert list(names(parse_formula("a + coalesce(b.c, -a) / 2"))) == ["a", "b.c", "a"]


def test_measures() -> None:
    assert parse_measure(None) == parse_measure("count") == Measure("count")
    assert parse_measure("sum: amount") == Measure("sum", "amount")
    assert parse_measure("count_distinct:channel").zero_without_rows
    assert not parse_measure("min:amount").zero_without_rows


@pytest.mark.parametrize("text", ["sums:amount", "sum", "sum:", "count:amount", "median:amount"])
def test_what_is_no_measure(text: str) -> None:
    with pytest.raises(ValueError):
        parse_measure(text)


def test_the_type_of_a_measure() -> None:
    assert measure_type(Measure("count"), None) == "integer"
    assert measure_type(Measure("sum", "a"), "integer") == "number"
    assert measure_type(Measure("max", "a"), "integer") == "integer"
    assert measure_type(Measure("max", "a"), "timestamp") == "timestamp"
    assert measure_type(Measure("count_distinct", "a"), "text") == "integer"
    with pytest.raises(ValueError, match="avg of a date field makes no sense"):
        measure_type(Measure("avg", "a"), "date")

"""Measures over the rows of a related model: `count`, `sum:amount`, `count_distinct:channel`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from audience_assets.project.models import FieldType
from audience_assets.project.operators import NUMERIC_TYPES, TEMPORAL_TYPES

Function = Literal["count", "sum", "avg", "min", "max", "count_distinct"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)

WORDS: dict[str, str] = {
    "count": "number",
    "sum": "sum",
    "avg": "average",
    "min": "smallest",
    "max": "largest",
    "count_distinct": "number of different values",
}


@dataclass(frozen=True, slots=True)
class Measure:
    """A function over a field of the related model; `count` has no field."""

    function: Function
    field: str | None = None

    @property
    def zero_without_rows(self) -> bool:
        """Whether no rows mean 0; the others are missing then."""
        return self.function in ("count", "sum", "count_distinct")


def parse_measure(text: str | None) -> Measure:
    """`count` when nothing is said. Raises ValueError."""
    function, colon, field = (text or "count").partition(":")
    function, field = function.strip(), field.strip()
    known = next((each for each in FUNCTIONS if each == function), None)
    if known is None:
        raise ValueError(
            f"{text!r} is not a measure: write count, or one of sum, avg, min, max, count_distinct with a "
            "field, e.g. sum:amount"
        )
    if known == "count":
        if colon:
            raise ValueError("count counts rows and takes no field; count_distinct:FIELD counts different values")
        return Measure("count")
    if not field:
        raise ValueError(f"{function} needs a field, e.g. {function}:amount")
    return Measure(known, field)


def measure_type(measure: Measure, field_type: FieldType | None) -> FieldType:
    """The type of a measure over a field of `field_type`. Raises ValueError where the function makes no sense."""
    if measure.function in ("count", "count_distinct"):
        return "integer"
    if field_type in NUMERIC_TYPES:
        return "number" if measure.function in ("sum", "avg") else field_type
    if field_type in TEMPORAL_TYPES and measure.function in ("min", "max"):
        return field_type
    raise ValueError(f"{measure.function} of a {field_type} field makes no sense: {measure.field} must be a number")

"""Pictures made of characters."""

from __future__ import annotations

import pytest

from audience_assets.pictures import Scale, bar, sparkline


@pytest.mark.parametrize(
    ("part", "whole", "drawn"), [(1, 4, "██░░░░░░"), (4, 4, "████████"), (9, 4, "████████"), (0, 0, "░░░░░░░░")]
)
def test_a_bar_is_a_part_of_a_whole(part: float, whole: float, drawn: str) -> None:
    assert bar(part, whole, 8) == drawn


@pytest.mark.parametrize(("values", "drawn"), [([], ""), ([5, 5], "▄▄"), ([1, 8], "▁█"), ([0, 7, 3], "▁█▄")])
def test_a_sparkline_has_a_column_a_value(values: list[float], drawn: str) -> None:
    assert sparkline(values) == drawn


def test_an_interval_stands_beside_the_line_of_zero() -> None:
    scale = Scale([-1.0, 0.2, 3.0], width=9)
    assert scale.interval(1.0, 2.0, 3.0) == "  │ ├─●─┤"
    assert scale.interval(-1.0, 0.0, 1.0) == "├─●─┤    "
    assert Scale([], width=3).interval(0.0, 0.0, 0.0) == "●  "

"""Pictures made of characters, which a terminal shows as well as Dagster's Markdown does."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 40
_LEVELS = "▁▂▃▄▅▆▇█"


def bar(part: float, whole: float, width: int = 24) -> str:
    """`█████░░░`: a part of a whole."""
    full = round(width * min(max(part / whole, 0.0), 1.0)) if whole else 0
    return "█" * full + "░" * (width - full)


def sparkline(values: Sequence[float]) -> str:
    """`▁▂▅█`: one column a value, the lowest at the bottom and the highest at the top; all equal is a middle line."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high:
        return "▄" * len(values)
    return "".join(_LEVELS[round((value - low) / (high - low) * (len(_LEVELS) - 1))] for value in values)


class Scale:
    """Where numbers stand on a line of characters that shows all of them, and 0."""

    def __init__(self, numbers: Sequence[float], width: int = WIDTH) -> None:
        self.low, self.high = min([0.0, *numbers]), max([0.0, *numbers])
        self.width = width

    def interval(self, low: float, value: float, high: float) -> str:
        """`  │ ├──●──┤`: an interval, what is estimated, and the line of 0."""
        line = [" "] * self.width
        line[self._place(0.0)] = "│"
        first, last = self._place(low), self._place(high)
        line[first : last + 1] = "─" * (last + 1 - first)
        line[first], line[last] = "├", "┤"
        line[self._place(value)] = "●"
        return "".join(line)

    def _place(self, number: float) -> int:
        whole = self.high - self.low
        return round((number - self.low) / whole * (self.width - 1)) if whole else 0

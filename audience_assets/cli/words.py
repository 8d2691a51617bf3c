"""Numbers, times and tables as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.table import Table

MINUTE, HOUR = 60, 3600


def count(number: int | None) -> str:
    """`12,345`; a dash for what is not known."""
    return "-" if number is None else f"{number:,}"


def amount(number: float | None) -> str:
    """`12,345.60`; a dash for what is not known."""
    return "-" if number is None else f"{number:,.2f}"


def percent(part: float | None) -> str:
    """`12.3%` of 0.123; a dash for what is not known."""
    return "-" if part is None else f"{part:.1%}"


def too_few(counts: Mapping[str, int], floor: int) -> str:
    """A warning that people could be recognised by these counts."""
    named = ", ".join(f"{name} ({number})" for name, number in counts.items())
    return f"Fewer than {floor} people (insights.privacy_floor), who may be recognised: {named}"


def plural(number: int, noun: str) -> str:
    """`1 list`, `2 lists`, `2 activities`."""
    ending = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else ending}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def moment(at: datetime | None) -> str:
    """`2026-11-21 06:00 UTC`; a dash for never."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: str = "") -> Table:
    """A table whose columns named in `numbers` (comma separated) are set to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    right = {name.strip() for name in numbers.split(",")}
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made

"""What the demo prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from audience_assets.cli.words import duration, table
from audience_assets.demo.day import ShopDay
from audience_assets.demo.vendors.base import Example

FIGURES = ("added", "updated", "removed", "rejected", "absent", "members_after", "calls")
COLUMNS = ("added", "updated", "removed", "rejected", "unknown there", "members", "calls", "took", "at best")

Reports = Sequence[Mapping[str, Any]]


def lists_table(title: str, reports: Reports) -> Table:
    """One line a list: what changed, and the time beside the least the vendor's limits allow."""
    rows = [
        (
            report["destination"],
            report["list_name"],
            *(f"{report[name]:,}" if report[name] else "-" for name in FIGURES),
            duration(report["seconds"]),
            duration(report["floor_seconds"]) if report["floor_seconds"] else "at once",
        )
        for report in reports
    ]
    return table(title, ("at", "list", *COLUMNS), rows, numbers=", ".join(COLUMNS))


def reasons_table(reports: Reports) -> Table:
    """Why people, or a channel or an attribute of theirs, were refused."""
    columns = ("at", "list", "reason", "of", "people", "for example")
    rows = [
        (
            report["destination"],
            report["list_name"],
            each["reason"],
            each["channel"] or "the person",
            f"{each['rows']:,}",
            each["detail"] or "",
        )
        for report in reports
        for each in report["rejections"]
    ]
    return table("Rejected, and why", columns, rows, numbers="people")


def day_table(day: ShopDay) -> Table:
    """What happened between the two deliveries."""
    rows = [(f"{number:,}", what) for what, number in day.events]
    return table("A day goes by", ("people", "what they did"), rows, numbers="people")


def people_table(examples: Sequence[tuple[str, Example]], before: Sequence[str], after: Sequence[str]) -> Table:
    """The same people at a vendor each, before and after."""
    rows = [
        (title, example.address, example.what, was, now)
        for (title, example), was, now in zip(examples, before, after, strict=True)
    ]
    return table("Person by person", ("at", "who", "what happened", "before", "after"), rows)


def totals(reports: Reports) -> Iterator[str]:
    """One line over all lists."""
    calls = sum(report["calls"] for report in reports)
    seconds = sum(report["seconds"] for report in reports)
    floor = sum(report["floor_seconds"] for report in reports)
    yield (
        f"{calls:,} calls in {duration(seconds)}, planning, waiting for jobs and bookkeeping included; "
        f"the vendors' rate limits allow them in {duration(floor)} at best."
    )

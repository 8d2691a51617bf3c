"""What the demo prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from audience_assets.cli.words import duration, table
from audience_assets.demo.day import Day, Example
from audience_assets.demo.vendor import Standing

FIGURES = ("added", "removed", "rejected", "absent", "members_after", "calls")
COLUMNS = ("list", "added", "removed", "rejected", "unknown there", "members", "calls", "took", "at best")


def lists_table(title: str, reports: Mapping[str, Mapping[str, Any]]) -> Table:
    """One line a list: what changed, and the time beside the least the vendor's limits allow."""
    rows = [
        (
            report["list_name"],
            *(f"{report[name]:,}" for name in FIGURES),
            duration(report["seconds"]),
            duration(report["floor_seconds"]),
        )
        for report in reports.values()
    ]
    return table(title, COLUMNS, rows, numbers=", ".join(COLUMNS[1:]))


def reasons_table(reports: Mapping[str, Mapping[str, Any]]) -> Table:
    """Why people, or a channel of theirs, were refused."""
    rows = [
        (report["list_name"], each["reason"], each["channel"] or "all", f"{each['rows']:,}", each["detail"] or "")
        for report in reports.values()
        for each in report["rejections"]
    ]
    return table("Rejected, and why", ("list", "reason", "channel", "people", "for example"), rows, numbers="people")


def day_table(day: Day) -> Table:
    """What happened between the two deliveries."""
    rows = [(f"{number:,}", what) for what, number in day.events]
    return table("A day goes by", ("people", "what they did"), rows, numbers="people")


def people_table(examples: Sequence[Example], before: Iterable[Standing], after: Iterable[str]) -> Table:
    """The same people at Klaviyo, before and after."""
    rows = [
        (example.address, example.what, str(was), now)
        for example, was, now in zip(examples, before, after, strict=True)
    ]
    return table("At Klaviyo, person by person", ("who", "what happened", "before", "after"), rows)


def totals(reports: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One line over all lists."""
    calls = sum(report["calls"] for report in reports.values())
    seconds = sum(report["seconds"] for report in reports.values())
    floor = sum(report["floor_seconds"] for report in reports.values())
    yield (
        f"{calls:,} calls in {duration(seconds)}, planning and bookkeeping included; "
        f"Klaviyo's rate limits allow them in {duration(floor)} at best."
    )

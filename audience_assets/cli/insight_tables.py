"""Insights as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from audience_assets.audiences.insight_values import RevenueTree, SegmentInsights
from audience_assets.audiences.overlap import Overlap
from audience_assets.audiences.trend import TrendPoint
from audience_assets.cli.words import amount, count, moment, percent, table
from audience_assets.pictures import bar, sparkline
from audience_assets.project.describe import describe
from audience_assets.project.project import Project

SHOWN_RUNS = 10


def insight_tables(found: SegmentInsights, trend: Sequence[TrendPoint], project: Project) -> Iterator[str | Table]:
    """Everything there is to tell, the most asked for first."""
    yield f"{found.segment}: {found.size:,} of {found.users:,} users ({found.share:.1%}){_active(found)}"
    if found.reach:
        yield _reach(found)
    if found.lists:
        yield _lists(found)
    if found.value:
        value = found.value
        points = ", ".join(f"p{point} {worth:,.2f}" for point, worth in value.percentiles.items())
        yield (
            f"value: {value.total:,.2f} in all, {value.per_member:,.2f} a member; {value.spenders:,} spent: {points}; "
            f"{found.size - value.spenders:,} did not"
        )
    if found.revenue:
        yield from _revenue(found.revenue, project.settings.insights.active_within)
    if found.waterfall:
        cells = [
            (
                describe(step.condition, project),
                f"{step.alone:,}",
                f"{step.remaining:,}",
                bar(step.remaining, found.users),
            )
            for step in found.waterfall
        ]
        yield table("waterfall", ("condition", "alone", "with all above", ""), cells, numbers="alone, with all above")
    for name in found.breakdowns:
        yield _breakdown(found, name)
    if len(trend) > 1:
        yield _trend(trend)


def overlap_tables(found: Overlap, floor: int) -> Iterator[str | Table]:
    """How much of each row's segment is in each column's, and how alike each two are."""
    every = "both" if len(found.segments) == 2 else f"all {len(found.segments)}"
    yield f"{found.in_any:,} users are in at least one of them, {found.in_all:,} in {every}"
    columns = ("segment", "members", "in no other", *found.segments)
    cells = []
    for one in found.segments:
        shared = []
        for other in found.segments:
            both = found.both(one, other)
            few = 0 < both < floor
            shared.append("·" if one == other else f"< {floor}" if few else _shared(found, one, other))
        cells.append((one, count(found.sizes[one]), count(found.only(one)), *shared))
    yield table("of the row's members, in the column's segment", columns, cells, numbers=", ".join(columns[1:]))
    alike = [
        (f"{one} and {other}", count(found.both(one, other)), f"{found.jaccard(one, other) or 0:.2f}")
        for one, other in found.pairs
        if not 0 < found.both(one, other) < floor
    ]
    alike.sort(key=lambda row: float(row[2]), reverse=True)
    yield table(
        "most alike", ("segments", "in both", "of either's members"), alike, numbers="in both, of either's members"
    )


def _shared(found: Overlap, one: str, other: str) -> str:
    return f"{found.both(one, other):,} ({percent(found.contained(one, other))})"


def _active(found: SegmentInsights) -> str:
    return "" if found.active is None else f", {found.active:,} of them active"


def _reach(found: SegmentInsights) -> Table:
    cells = [
        (channel, f"{reach.identified:,}", f"{reach.valid:,}", f"{reach.consented:,}", bar(reach.consented, found.size))
        for channel, reach in found.reach.items()
    ]
    if found.any_channel is not None:
        cells.append(("any", "", "", f"{found.any_channel:,}", bar(found.any_channel, found.size)))
    columns = ("channel", "have an address", "a valid one", "and opted in", "")
    return table("reach", columns, cells, numbers=", ".join(columns[1:4]))


def _lists(found: SegmentInsights) -> Table:
    """What a delivery would hold, and what it would shrink by."""
    cells = [
        (
            name,
            reach.destination,
            f"{reach.reached:,}",
            f"{found.size - reach.reached:,}",
            f"{reach.complete:,}",
            bar(reach.reached, found.size),
        )
        for name, reach in found.lists.items()
    ]
    columns = ("list", "destination", "can be sent", "lacks what it takes", "with every attribute", "")
    return table("reach by list", columns, cells, numbers=", ".join(columns[2:5]))


def _revenue(tree: RevenueTree, window: str) -> Iterator[str]:
    """The tree as a line a level."""
    yield f"revenue within {window}: {amount(tree.revenue)} of {tree.customers:,} customers and {tree.orders:,} orders"
    yield f"  = {tree.customers:,} customers x {amount(tree.revenue_per_customer)} a customer"
    yield f"      = {amount(tree.orders_per_customer)} orders a customer x {amount(tree.average_order_value)} an order"
    if tree.items is not None:
        yield f"          = {amount(tree.items_per_order)} items an order x {amount(tree.average_item_value)} an item"


def _breakdown(found: SegmentInsights, name: str) -> Table:
    """Each value's share of the members beside its share of everybody; an index of 1 is as common as elsewhere."""
    cells = [
        (
            share.label,
            f"{share.members:,}",
            f"{share.of_members:.1%}",
            f"{share.of_users:.1%}",
            "-" if share.index is None else f"{share.index:.2f}",
        )
        for share in found.breakdowns[name]
    ]
    columns = (name, "members", "share", "of everybody", "index")
    return table(None, columns, cells, numbers=", ".join(columns[1:]))


def _trend(points: Sequence[TrendPoint]) -> Table:
    shown = points[-SHOWN_RUNS:]
    cells = [
        (
            moment(point.as_of) + (" (redefined)" if point.redefined else ""),
            f"{point.size:,}",
            f"{point.entered:,}",
            f"{point.left:,}",
            percent(point.turnover),
            amount(point.revenue),
        )
        for point in shown
    ]
    columns = ("computed", "size", "entered", "left", "turnover", "revenue")
    title = f"trend  {sparkline([point.size for point in points])}"
    return table(title, columns, cells, numbers=", ".join(columns[1:]))

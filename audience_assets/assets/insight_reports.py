"""Insights as metadata: numbers that plot over time, tables, and pictures of characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from audience_assets.audiences.insight_values import SegmentInsights, Share, small_counts
from audience_assets.audiences.overlap import Overlap
from audience_assets.audiences.trend import TrendPoint
from audience_assets.pictures import bar, sparkline
from audience_assets.project.describe import describe
from audience_assets.project.project import Project


def insight_metadata(found: SegmentInsights, trend: Sequence[TrendPoint], project: Project) -> dict[str, Any]:
    """Everything that is known of a segment. Values of fields that hold personal data are not among it."""
    metadata: dict[str, Any] = {"summary": dg.MetadataValue.md(picture(found, trend)), **_numbers(found)}
    if found.waterfall:
        steps = (
            {"condition": describe(step.condition, project), "alone": step.alone, "with all above": step.remaining}
            for step in found.waterfall
        )
        metadata["waterfall"] = table(steps)
    if found.value:
        points = {f"p{point}": round(worth, 2) for point, worth in found.value.percentiles.items()}
        metadata["value"] = table(
            [{"spenders": found.value.spenders, "none": found.size - found.value.spenders, **points}]
        )
    for name, shares in found.breakdowns.items():
        metadata[f"by_{word(name)}"] = table(_share(share) for share in shares)
    if len(trend) > 1:
        metadata["trend"] = table(_point(point) for point in reversed(trend))
    small = small_counts(found, project.settings.insights.privacy_floor)
    if small:
        metadata["below_privacy_floor"] = ", ".join(small)
    return metadata


def picture(found: SegmentInsights, trend: Sequence[TrendPoint]) -> str:
    """Bars of whom the segment holds and who can be reached, and the line of its size."""
    lines = [("of all users", found.size, found.users)]
    if found.active is not None:
        lines.append(("active", found.active, found.size))
    lines += [(channel, reach.consented, found.size) for channel, reach in found.reach.items()]
    lines += [(f"list {name}", reach.reached, found.size) for name, reach in found.lists.items()]
    width = max(len(label) for label, _, _ in lines)
    drawn = [
        f"{label:<{width}}  {bar(part, whole)} {100 * part / whole if whole else 0:5.1f} %  {part:,}"
        for label, part, whole in lines
    ]
    if len(trend) > 1:
        drawn.append(f"{'size':<{width}}  {sparkline([point.size for point in trend])}")
    return "```\n" + "\n".join(drawn) + "\n```"


def overlap_metadata(found: Overlap, floor: int) -> dict[str, Any]:
    """The matrix of shares, and each pair. Fewer people in common than `floor` are not counted out."""
    matrix = (
        {"segment": one, "members": found.sizes[one], "in no other": found.only(one)}
        | {other: _cell(found, one, other, floor) for other in found.segments}
        for one in found.segments
    )
    pairs = (
        {
            "one": one,
            "other": other,
            "both": found.both(one, other),
            "jaccard": round(found.jaccard(one, other) or 0, 4),
        }
        for one, other in found.pairs
        if not 0 < found.both(one, other) < floor
    )
    return {"overlap": table(matrix), "pairs": table(pairs), "in_any": found.in_any, "in_all": found.in_all}


def table(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A table whose columns are those of its first row; what is not known stays empty."""
    records = [dg.TableRecord({name: "" if value is None else value for name, value in row.items()}) for row in rows]
    if not records:
        return dg.MetadataValue.text("nothing")
    columns = [dg.TableColumn(name, type="string") for name in records[0].data]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def word(name: str) -> str:
    """A name as a key of metadata."""
    return re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")


def _numbers(found: SegmentInsights) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "size": found.size,
        "share_percent": round(100 * found.share, 2),
        "active": found.active,
        "any_channel": found.any_channel,
    }
    numbers |= {f"reach_{word(channel)}": reach.consented for channel, reach in found.reach.items()}
    numbers |= {f"list_{word(name)}": reach.reached for name, reach in found.lists.items()}
    if found.revenue:
        tree = found.revenue
        numbers |= {"revenue": tree.revenue, "customers": tree.customers, "orders": tree.orders, "items": tree.items}
        numbers |= tree.ratios
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in numbers.items()
        if value is not None
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "value": share.label,
        "members": share.members,
        "share %": round(100 * share.of_members, 2),
        "of everybody %": round(100 * share.of_users, 2),
        "index": None if share.index is None else round(share.index, 2),
    }


def _point(point: TrendPoint) -> dict[str, Any]:
    return {
        "computed": f"{point.as_of:%Y-%m-%d %H:%M} UTC",
        "size": point.size,
        "entered": point.entered,
        "left": point.left,
        "turnover %": None if point.turnover is None else round(100 * point.turnover, 2),
        "revenue": None if point.revenue is None else round(point.revenue, 2),
    }


def _cell(found: Overlap, one: str, other: str, floor: int) -> str:
    both, part = found.both(one, other), found.contained(one, other)
    if one == other:
        return "·"
    return f"< {floor}" if 0 < both < floor else f"{both:,} ({part or 0:.1%})"

"""A sync's report as metadata: numbers that plot over time, tables by operation and reason, no member's data."""

from __future__ import annotations

import re
from typing import Any

import dagster as dg

from audience_assets.sync import SyncReport

BAR = 24


def delivery_metadata(report: SyncReport) -> dict[str, Any]:
    """Metadata of one delivery. Every number becomes a chart in the UI."""
    counts = report.counts
    changed = report.added + report.removed
    metadata: dict[str, Any] = {
        "summary": dg.MetadataValue.md(summary(report)),
        "added": report.added,
        "removed": report.removed,
        "updated": report.updated,
        "unchanged": max(report.members_after - report.added - report.updated, 0),
        "absent": report.absent,
        "rejected": report.rejected,
        "undecided": report.retry,
        **({"still_in_list": report.kept} if report.kept else {}),
        "members": report.members_after,
        "audience_users": counts.audience_users,
        "changed_percent": round(100 * changed / counts.members_before, 2) if counts.members_before else 0.0,
        "calls": report.calls,
        "seconds": report.seconds,
        "floor_seconds": round(report.floor_seconds, 3),
        "plan": dg.MetadataValue.table(_plan_rows(report), schema=_PLAN),
        "state": report.state,
        "sync": report.sync,
    }
    if report.overruled:
        metadata["approved_although"] = "; ".join(report.overruled)
    if report.rejections:
        metadata["rejections"] = dg.MetadataValue.table(_rejection_rows(report), schema=_REJECTIONS)
    if report.list_url:
        metadata["list"] = dg.MetadataValue.url(report.list_url)
    metadata |= {_fact_key(name): value for name, value in report.list_facts.items()}
    return metadata


def _fact_key(name: str) -> str:
    """`list_visibility`, `list_type`."""
    return f"list_{re.sub('[^a-z0-9]+', '_', name.lower().removeprefix('list '))}"


def summary(report: SyncReport) -> str:
    """Two lines: what changed, and how much of the audience the list reaches."""
    users = report.counts.audience_users
    reached = report.members_after / users if users else 0.0
    full = round(BAR * min(reached, 1.0))
    signed = ((report.added, "+"), (report.removed, "-"), (report.updated, "~"))
    change = " ".join(f"{sign}{number:,}" for number, sign in signed if number) or "no change"
    others = "".join(
        f", {number:,} {word}"
        for number, word in (
            (report.absent, "unknown to the vendor"),
            (report.rejected, "rejected"),
            (report.kept, "gone but still in the list"),
            (report.retry, "decided next time"),
        )
        if number
    )
    bar = "█" * full + "░" * (BAR - full)
    return (
        f"**{change}** → {report.members_after:,} members{others}\n\n`{bar}` {100 * reached:.1f} % of {users:,} users"
    )


_PLAN = dg.TableSchema(
    columns=[
        dg.TableColumn("operation"),
        dg.TableColumn("planned", type="integer"),
        dg.TableColumn("accepted", type="integer"),
    ]
)
_REJECTIONS = dg.TableSchema(
    columns=[
        dg.TableColumn("reason"),
        dg.TableColumn("channel"),
        dg.TableColumn("operation"),
        dg.TableColumn("rows", type="integer"),
        dg.TableColumn("tried again"),
        dg.TableColumn("example"),
    ]
)


def _plan_rows(report: SyncReport) -> list[dg.TableRecord]:
    counts = report.counts
    rows = [
        ("add", counts.add, report.added),
        ("update", counts.update, report.updated),
        ("remove", counts.remove, report.removed),
    ]
    return [dg.TableRecord({"operation": name, "planned": planned, "accepted": done}) for name, planned, done in rows]


def _rejection_rows(report: SyncReport) -> list[dg.TableRecord]:
    return [
        dg.TableRecord(
            {
                "reason": row.reason,
                "channel": row.channel or "",
                "operation": row.operation,
                "rows": row.rows,
                "tried again": row.recheck.replace("_", " "),
                "example": row.detail or "",
            }
        )
        for row in report.rejections
    ]

"""Asset checks of segments and lists. They report; what must prevent a send is a guard inside the sync."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import dagster as dg

from audience_assets.assets.keys import list_key, segment_key
from audience_assets.audiences.quality import IdentifierQuality, identifier_quality
from audience_assets.audiences.refresh import SegmentRun
from audience_assets.destinations.base import Operation, Recheck
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.models import Segment
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime
from audience_assets.sync import GuardTripped, SyncReport, open_rejections

NOT_EMPTY, IDENTIFIERS, SIZE_CHANGE = "not_empty", "identifiers", "size_change"
LIST_GUARD, REJECTION_RATE = "list_guard", "rejection_rate"
# Real data has some dirt; a warning that is always on is read by nobody.
TOLERATED_PERCENT = 5.0


def segment_check_specs(project: Project, segment: Segment) -> list[dg.AssetCheckSpec]:
    key = segment_key(segment.segment)
    specs = [
        dg.AssetCheckSpec(NOT_EMPTY, asset=key, description=f"At least {segment.min_size:,} members (`min_size`).")
    ]
    if segment.max_size_change_percent is not None:
        limit = f"{segment.max_size_change_percent:f}".rstrip("0").rstrip(".") or "0"
        text = f"Its size changes by at most {limit} % from one computation to the next (`max_size_change_percent`)."
        specs.append(dg.AssetCheckSpec(SIZE_CHANGE, asset=key, description=text))
    if mapped_identifiers(project, segment.segment):
        text = (
            f"Of what its lists match people by, at most {TOLERATED_PERCENT:g} % is missing, malformed or the same as "
            "another member's."
        )
        specs.append(dg.AssetCheckSpec(IDENTIFIERS, asset=key, description=text))
    return specs


def mapped_identifiers(project: Project, segment: str) -> dict[str, str]:
    """Identifiers that the segment's lists match people by: kind -> field of the users model."""
    found: dict[str, str] = {}
    for activation in project.effective.values():
        if activation.audience == segment:
            spec = DESTINATIONS[activation.destination_type].services[activation.service]
            kinds = spec.identifiers(spec.options_model.model_validate(activation.options))
            mapped = activation.mapping.identifiers
            found |= {kind: mapped[kind] for kind in kinds if kind in mapped}
    return found


def segment_checks(runtime: Runtime, segment: Segment, run: SegmentRun) -> Iterator[dg.AssetCheckResult]:
    """Results for every check that the segment declares."""
    yield dg.AssetCheckResult(
        check_name=NOT_EMPTY,
        passed=run.size >= segment.min_size,
        metadata={"members": run.size, "min_size": segment.min_size},
    )
    if segment.max_size_change_percent is not None:
        yield _size_change(run, segment.max_size_change_percent)
    mapped = mapped_identifiers(runtime.project, segment.segment)
    if mapped:
        found = identifier_quality(runtime.engine, runtime.state, runtime.project, segment.segment, mapped)
        yield _identifiers(found)


def _size_change(run: SegmentRun, limit: Decimal) -> dg.AssetCheckResult:
    change = 100 * abs(run.size - run.previous_size) / run.previous_size if run.previous_size else 0.0
    return dg.AssetCheckResult(
        check_name=SIZE_CHANGE,
        passed=change <= limit,
        metadata={
            "before": run.previous_size,
            "now": run.size,
            "change_percent": round(change, 2),
            "max_size_change_percent": float(limit),
        },
    )


def _identifiers(found: list[IdentifierQuality]) -> dg.AssetCheckResult:
    worst = max(each.unusable_percent for each in found)
    records = [
        dg.TableRecord(
            {
                "identifier": each.identifier,
                "field": each.field,
                "missing": each.missing,
                "malformed": each.malformed,
                "repeated": each.repeated,
                "unusable %": round(each.unusable_percent, 2),
            }
        )
        for each in found
    ]
    return dg.AssetCheckResult(
        check_name=IDENTIFIERS,
        passed=worst <= TOLERATED_PERCENT,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unusable_percent": round(worst, 2), "identifiers": dg.MetadataValue.table(records)},
    )


def list_check_specs(activation: EffectiveActivation) -> list[dg.AssetCheckSpec]:
    key = list_key(activation)
    guard = ", ".join(f"{name} {value}" for name, value in activation.guard if value is not None)
    return [
        dg.AssetCheckSpec(LIST_GUARD, asset=key, description=f"The plan was within its limits: {guard}."),
        dg.AssetCheckSpec(
            REJECTION_RATE,
            asset=key,
            description=f"Open rejections are at most {TOLERATED_PERCENT:g} % of the audience.",
        ),
    ]


def guard_passed(report: SyncReport) -> dg.AssetCheckResult:
    """How far the plan was from its limits, to be plotted."""
    counts = report.counts
    return dg.AssetCheckResult(
        check_name=LIST_GUARD,
        passed=True,
        metadata={
            "audience_users": counts.audience_users,
            "removed_percent": _percent(counts.remove, counts.members_before),
            "change_percent": _percent(counts.add - counts.retry + counts.remove, counts.members_before),
        },
    )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def guard_failed(tripped: GuardTripped) -> dg.AssetCheckResult:
    """The numbers that stopped the plan, and the name by which it can be approved."""
    plan = tripped.plan
    return dg.AssetCheckResult(
        check_name=LIST_GUARD,
        passed=False,
        description="Nothing was sent: " + "; ".join(plan.violations),
        metadata={
            "members": plan.counts.members_before,
            "audience_users": plan.counts.audience_users,
            "add": plan.counts.add,
            "update": plan.counts.update,
            "remove": plan.counts.remove,
            "approve": plan.fingerprint or "",
        },
    )


def rejection_rate(runtime: Runtime, activation: str, users: int) -> dg.AssetCheckResult:
    """Rejections that are open now, against an audience of `users`. Contacts the vendor does not know are none.

    Nor are leavers whom nothing can take off the list: they are no part of the audience.
    """
    found = open_rejections(runtime, activation)
    kept = (Operation.REMOVE, Recheck.WHEN_CHANGED)
    rows = sum(each.rows for each in found if (each.operation, each.recheck) != kept)
    percent = _percent(rows, users)
    return dg.AssetCheckResult(
        check_name=REJECTION_RATE,
        passed=percent <= TOLERATED_PERCENT,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"open_rejections": rows, "audience_users": users, "percent": percent},
    )

"""A campaign's results as a table that fits Dagster's page; every column is in the results file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audience_assets.campaigns.comparison import Gain
from audience_assets.campaigns.results import CampaignResults, GroupResult


def results_table(results: CampaignResults) -> Iterator[dict[str, Any]]:
    """One row a group. A lift comes with its interval of 95 % and p, adjusted where there are several treatments."""
    for part in results.tables:
        for group in part.groups:
            yield _row(part.name, group)


def _row(part: str, group: GroupResult) -> dict[str, Any]:
    outcome, found = group.outcome, group.comparison
    revenue = found.revenue if found else None
    bought = [
        f"{outcome.purchasers:,}" + ("" if outcome.conversion_rate is None else f" ({outcome.conversion_rate:.1%})")
    ]
    spent = [] if outcome.revenue_per_recipient is None else [f"{outcome.revenue_per_recipient:,.2f} each"]
    total = [] if revenue is None else [f"{revenue.total:+,.2f} in all"]
    return {
        "group": f"{part}: {outcome.group}" if part else outcome.group,
        "people": f"{outcome.recipients:,}",
        "purchasers": "; ".join(bought + _lift(found.conversions if found else None)),
        "revenue": "; ".join(spent + _lift(revenue) + total),
    }


def _lift(gain: Gain | None) -> list[str]:
    if gain is None or gain.lift is None:
        return []
    ends = "" if gain.lift_interval is None else f" ({gain.lift_interval.low:+.1%} to {gain.lift_interval.high:+.1%})"
    p = gain.p if gain.p_adjusted is None else gain.p_adjusted
    return [f"lift {gain.lift:+.1%}{ends}" + ("" if p is None else f", p {p:.3f}")]

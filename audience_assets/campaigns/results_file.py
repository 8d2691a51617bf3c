"""A campaign's results as rows, and as a file that carries the campaign's name."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from audience_assets.campaigns.comparison import Gain
from audience_assets.campaigns.results import CampaignResults, GroupResult, PartResult
from audience_assets.project.campaign_files import results_file
from audience_assets.project.campaigns import Campaign


def result_rows(results: CampaignResults) -> Iterator[dict[str, Any]]:
    """One row a group. What can't be said is None: everything over control in the control, and without one.

    The last two rows are of the universal holdout, if there is one: the held out stand as everybody else's control.
    """
    for part in results.tables:
        for group in part.groups:
            heading = _heading(results) | {"comparison": "holdout" if part is results.holdout else "control"}
            yield {**heading, **_row(part, group), "revenue_cap_percentile": _number(results.cap_percentile)}


def write_results(results: CampaignResults, campaign: Campaign, folder: Path) -> Path:
    """Write the rows as CSV (UTF-8, an empty field for None) to the file the campaign names, in `folder`."""
    name = results_file(campaign, launch_date=results.launch.isoformat(), window_days=results.window_days)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    rows = list(result_rows(results))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _heading(results: CampaignResults) -> dict[str, Any]:
    return {
        "campaign": results.campaign,
        "campaign_name": results.title,
        "launch_date": results.launch.isoformat(),
        "window_days": results.window_days,
        "measured_until": results.until.isoformat(),
        "window_is_over": results.complete,
    }


def _row(part: PartResult, group: GroupResult) -> dict[str, Any]:
    outcome, found = group.outcome, group.comparison
    return {
        "sub_audience": outcome.sub_audience,
        "group": outcome.group,
        "is_control": outcome.is_control,
        "recipients": outcome.recipients,
        "expected_recipients": part.sample_ratio.expected.get(outcome.group),
        "purchasers": outcome.purchasers,
        "orders": outcome.orders,
        "items": outcome.items,
        "revenue": outcome.revenue,
        "counted_revenue": outcome.counted_revenue,
        "revenue_cap": outcome.cap,
        "capped_recipients": outcome.capped,
        "revenue_standard_deviation": outcome.revenue_deviation,
        "average_order_value": outcome.average_order_value,
        "average_item_value": outcome.average_item_value,
        "conversion_rate": outcome.conversion_rate,
        "revenue_per_recipient": outcome.revenue_per_recipient,
        "orders_per_purchaser": outcome.orders_per_purchaser,
        "items_per_order": outcome.items_per_order,
        **_over_control("incremental_conversion_rate", "conversion", found.conversions if found else None),
        **_over_control("incremental_revenue_per_recipient", "revenue", found.revenue if found else None),
        "sample_ratio_p": part.sample_ratio.p,
        "sample_ratio_is_broken": part.sample_ratio.broken,
    }


def _number(percentile: Decimal | None) -> float | None:
    return None if percentile is None else float(percentile)


def _over_control(each: str, what: str, gain: Gain | None) -> dict[str, Any]:
    """The three estimates with their ends, and how likely chance alone is."""
    total = f"incremental_{'purchasers' if what == 'conversion' else what}"
    row: dict[str, Any] = {}
    for name, attribute in ((each, "each"), (f"{what}_lift", "lift"), (total, "total")):
        interval = getattr(gain, f"{attribute}_interval", None)
        row[name] = getattr(gain, attribute, None)
        row[f"{name}_low"], row[f"{name}_high"] = interval or (None, None)
    row[f"{what}_p"] = gain.p if gain else None
    row[f"{what}_p_adjusted"] = gain.p_adjusted if gain else None
    return row

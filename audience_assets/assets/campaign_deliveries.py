"""What became of a campaign's lists: each list's own numbers, and all lists together as an asset downstream of them.

Nothing computes that asset: a list tells it when its delivery ends, also when it fails. Were it a step, Dagster would
leave it out just where it is needed, after a list that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from audience_assets.assets.insight_reports import table
from audience_assets.assets.keys import delivery_key, list_key
from audience_assets.assets.resources import WarehouseResource
from audience_assets.errors import AudienceError
from audience_assets.pictures import bar
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.project import Project
from audience_assets.sync import CampaignDelivery, ListDelivery, SyncReport, campaign_delivery
from audience_assets.sync.delivered import BAD_STATES, DELIVERED
from audience_assets.sync.reach import Reach

GROUP = "campaigns"
_REASONS = dg.TableSchema(columns=[dg.TableColumn("why"), dg.TableColumn("customers", type="integer")])


def build_campaign_deliveries(project: Project) -> list[dg.AssetSpec]:
    """One asset for each campaign that is delivered, downstream of all its lists."""
    return [
        dg.AssetSpec(
            delivery_key(name),
            deps=[list_key(each) for each in project.lists_of(name)],
            description=(
                f"What became of **{campaign.title}** at its destinations: customers, rows, why there are fewer or "
                "more rows than customers, and how the last delivery of each list ended. Every list brings it up to "
                "date when its delivery ends, also when that fails."
            ),
            group_name=GROUP,
            owners=campaign.owners,
            kinds={"table"},
        )
        for name, campaign in project.campaigns.items()
        if project.is_active(name) and project.lists_of(name)
    ]


@contextmanager
def told_of_campaign(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, project: Project, activation: EffectiveActivation
) -> Iterator[None]:
    """However a delivery ends, its campaign's summary is brought up to date. Nothing for a segment's list."""
    try:
        yield
    finally:
        campaign = project.audience(activation.audience).campaign
        if campaign is not None:
            try:
                metadata = delivery_metadata(campaign_delivery(warehouse.runtime, campaign))
            except (AudienceError, SQLAlchemyError) as error:
                # The delivery's own end is what has to be told.
                context.log.warning("no summary of the campaign %s: %s", campaign, type(error).__name__)
            else:
                context.log_event(dg.AssetMaterialization(delivery_key(campaign), metadata=metadata))


def delivery_metadata(found: CampaignDelivery) -> dict[str, Any]:
    """All lists of a campaign. Every number becomes a chart in the UI."""
    total = found.total
    metadata: dict[str, Any] = {
        "summary": dg.MetadataValue.md(_summary(found)),
        "lists": table(_row(each) for each in found.lists),
        "customers": total.customers,
        "rows": total.rows,
        "shrink": total.lost,
        "expansion": total.expansion,
        "waiting": sum(each.waiting for each in found.lists),
        "lists_delivered": found.in_state(DELIVERED),
        "lists_stopped_or_failed": found.in_state(*BAD_STATES),
    }
    shrunk = [row for each in found.lists for row in _shrink(each)]
    return metadata | ({"shrink_by_reason": table(shrunk)} if shrunk else {})


def _summary(found: CampaignDelivery) -> str:
    """A bar for each list: how many of its customers are rows in it. Lines are short: Dagster cuts long ones."""
    lines = [f"**{found.in_state(DELIVERED)} of {len(found.lists)} lists delivered**"]
    for each in found.lists:
        reach = each.reach
        lines.append(f"{_group(each)} at {each.destination}: {each.state}")
        lines.append(f"`{bar(reach.rows, reach.customers)}` {reach.rows:,} of {reach.customers:,}")
        if each.error:
            lines.append(f"> {each.error}")
    return "\n\n".join(lines)


def _group(each: ListDelivery) -> str:
    return f"{each.sub_audience}: {each.group}"


def _row(each: ListDelivery) -> dict[str, Any]:
    """What matters most comes first: a table wider than the page is cut."""
    reach = each.reach
    return {
        "group": _group(each),
        "destination": each.destination,
        "customers": reach.customers,
        "rows": reach.rows,
        "shrink": reach.lost,
        "expansion": reach.expansion,
        "waiting": each.waiting,
        "state": each.state,
        "when": f"{each.at:%m-%d %H:%M}" if each.at else "",
    }


def _shrink(each: ListDelivery) -> Iterator[dict[str, Any]]:
    for why, customers in each.reach.shrink.items():
        yield {"group": _group(each), "destination": each.destination, "customers": customers, "why": why}


def _reasons(reach: Reach) -> dg.MetadataValue[Any]:
    rows = [dg.TableRecord({"why": why, "customers": number}) for why, number in reach.shrink.items()]
    return dg.MetadataValue.table(rows, schema=_REASONS)


def list_delivery(warehouse: WarehouseResource, activation: EffectiveActivation, report: SyncReport) -> dict[str, Any]:
    """Customers, rows, shrink and expansion of one list; nothing for a segment's, whose report tells it all."""
    runtime = warehouse.runtime
    campaign = runtime.project.audience(activation.audience).campaign
    if campaign is None:
        return {}
    found = next(e for e in campaign_delivery(runtime, campaign).lists if e.activation == report.activation)
    reach = found.reach
    metadata: dict[str, Any] = {
        "customers": reach.customers,
        "rows": reach.rows,
        "shrink": reach.lost,
        "expansion": reach.expansion,
    }
    return metadata | ({"shrink_by_reason": _reasons(reach)} if reach.shrink else {})

"""A campaign's computation as metadata and checks: numbers that plot over time, groups by size, no person's data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from audience_assets.assets.insight_reports import table
from audience_assets.assets.keys import campaign_key
from audience_assets.campaigns.control import controls
from audience_assets.campaigns.meaning import parts
from audience_assets.campaigns.outlook import Outlook, campaign_outlook
from audience_assets.campaigns.refresh import CampaignRun
from audience_assets.project.campaigns import Campaign
from audience_assets.runtime import Runtime

NOT_EMPTY, CONTROL = "not_empty", "control"
BAR = 24


def campaign_metadata(runtime: Runtime, run: CampaignRun) -> dict[str, Any]:
    """Metadata of one computation. Every number becomes a chart in the UI."""
    campaign = runtime.project.campaigns[run.campaign]
    model = runtime.project.models[runtime.project.campaign_model(run.campaign)]
    control = sum(each.people for each in controls(campaign, run.counts))
    return {
        "summary": dg.MetadataValue.md(summary(campaign, run)),
        "groups": dg.MetadataValue.table(_rows(campaign, run), schema=_GROUPS),
        "dagster/row_count": run.size,
        "dagster/table_name": runtime.state.recipient(run.campaign, model.key_type).fullname,
        "recipients": run.size,
        "control": control,
        "treated": run.size - control,
        "entered": run.entered,
        "left": run.left,
        "included": run.included,
        "excluded": run.excluded,
        "held_out": run.held_out,
        "outranked": run.outranked,
        "withheld": run.withheld,
        "split_version": run.split_version,
        "seconds": round(run.duration_seconds, 3),
        "as_of": dg.MetadataValue.timestamp(run.as_of),
    }


def outlook_before_launch(runtime: Runtime, run: CampaignRun) -> list[Outlook]:
    """The smallest lift that each treatment can show; nothing any more once the campaign is launched."""
    launch = runtime.project.campaigns[run.campaign].launch
    today = run.as_of.astimezone(ZoneInfo(runtime.project.settings.timezone)).date()
    if launch is not None and launch < today:
        return []
    with runtime.engine.connect() as connection:
        return campaign_outlook(connection, runtime.state, runtime.project, run.campaign, run.as_of)


def outlook_metadata(found: Sequence[Outlook]) -> dict[str, Any]:
    """What the treatments can show, if anything is known of it, and where that is not enough."""
    if not found:
        return {}
    metadata: dict[str, Any] = {"outlook": table(_outlook(each) for each in found)}
    remarks = [remark for each in found for remark in each.remarks]
    return metadata | ({"outlook_warnings": "; ".join(remarks)} if remarks else {})


def _outlook(each: Outlook) -> dict[str, Any]:
    def lift(least: float | None) -> str:
        return "none" if least is None else f"{least:+.1%}"

    return {
        "treatment": f"{each.sub_audience}: {each.group}",
        "people": each.treated,
        "control": each.control,
        "conversion now": f"{each.base_rate:.2%}",
        "smallest lift found": lift(each.rate_lift),
        "smallest lift of revenue": lift(each.revenue_lift) if each.base_revenue is not None else None,
    }


def summary(campaign: Campaign, run: CampaignRun) -> str:
    """How the included became recipients, and each group as a bar."""
    numbers = (
        (run.excluded, "excluded"),
        (run.outranked, "in a campaign that ranks first"),
        (run.held_out, "held out"),
    )
    less = "".join(f", {number:,} {words}" for number, words in numbers if number)
    lines = [f"**{run.size:,} recipients** of {run.included:,} included{less}"]
    for part in parts(campaign):
        people = sum(run.counts.get(part.name, {}).values())
        lines.append(f"{part.name}: {people:,}")
        for group in part.groups:
            its = run.counts.get(part.name, {}).get(group.name, 0)
            filled = round(BAR * its / people) if people else 0
            told = "control, sent nothing" if group.control else ", ".join(group.destinations)
            bar = "█" * filled + "░" * (BAR - filled)
            lines.append(f"`{bar}` {group.name} {its:,} ({told})")
    return "\n\n".join(lines)


_GROUPS = dg.TableSchema(
    columns=[
        dg.TableColumn("sub-audience"),
        dg.TableColumn("group"),
        dg.TableColumn("control", type="boolean"),
        dg.TableColumn("people", type="integer"),
        dg.TableColumn("share %", type="number"),
        dg.TableColumn("asked for %", type="number"),
        dg.TableColumn("destinations"),
    ]
)


def _rows(campaign: Campaign, run: CampaignRun) -> list[dg.TableRecord]:
    rows = []
    for part in parts(campaign):
        found = run.counts.get(part.name, {})
        people = sum(found.values())
        rows += [
            dg.TableRecord(
                {
                    "sub-audience": part.name,
                    "group": group.name,
                    "control": group.control,
                    "people": found.get(group.name, 0),
                    "share %": round(100 * found.get(group.name, 0) / people, 2) if people else 0.0,
                    "asked for %": float(group.percent),
                    "destinations": ", ".join(group.destinations),
                }
            )
            for group in part.groups
        ]
    return rows


def campaign_check_specs(campaign: Campaign) -> list[dg.AssetCheckSpec]:
    key = campaign_key(campaign.campaign)
    specs = [dg.AssetCheckSpec(NOT_EMPTY, asset=key, description="Somebody is a recipient.")]
    if any(group.control for part in parts(campaign) for group in part.groups):
        text = (
            "Every control group is large enough for a useful lift (`measurement.useful_lift_percent`) to be told from "
            "chance, and not likely to be empty."
        )
        specs.append(dg.AssetCheckSpec(CONTROL, asset=key, description=text))
    return specs


def campaign_checks(campaign: Campaign, run: CampaignRun, outlook: Sequence[Outlook]) -> Iterator[dg.AssetCheckResult]:
    """Results for every check that the campaign declares."""
    yield dg.AssetCheckResult(check_name=NOT_EMPTY, passed=run.size > 0, metadata={"recipients": run.size})
    found = controls(campaign, run.counts)
    if found:
        remarks = [remark for its in (found, outlook) for each in its for remark in each.remarks]
        yield dg.AssetCheckResult(
            check_name=CONTROL,
            passed=not remarks,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(remarks) or None,
            metadata={"smallest_control": min(each.people for each in found)},
        )

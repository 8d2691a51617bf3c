"""Campaigns as assets: who is a recipient now and in which group, control included."""

from collections.abc import Iterator

import dagster as dg

from audience_assets.assets.campaign_reports import (
    campaign_check_specs,
    campaign_checks,
    campaign_metadata,
    outlook_before_launch,
    outlook_metadata,
)
from audience_assets.assets.campaign_texts import campaign_text
from audience_assets.assets.failures import stopped
from audience_assets.assets.keys import campaign_key, segment_key, source_key, step_name
from audience_assets.assets.resources import WAREHOUSE, WarehouseResource
from audience_assets.assets.sources import warehouse_kind
from audience_assets.assets.statements import SegmentStatement
from audience_assets.audiences.definition import nodes
from audience_assets.campaigns.meaning import campaign_hash, conditions, outranking
from audience_assets.campaigns.refresh import refresh_campaign
from audience_assets.project.conditions import SegmentMember
from audience_assets.project.project import Project

GROUP = "campaigns"


def build_campaign(project: Project, name: str, statement: SegmentStatement) -> dg.AssetsDefinition | dg.AssetSpec:
    """The asset of one campaign. Recipients who came out the same, in the same groups, have the same data version.

    A draft or an archived campaign is shown, and can't be materialized.
    """
    campaign = project.campaigns[name]
    key = campaign_key(name)
    spec = dg.AssetSpec(
        key=key,
        deps=campaign_inputs(project, name, statement),
        description=campaign_text(project, campaign, statement),
        group_name=GROUP,
        owners=campaign.owners,
        kinds={warehouse_kind(project), "sql"},
        tags={"audience_assets/state": campaign.state},
        metadata={"name": campaign.title, "labels": ", ".join(campaign.labels)},
        code_version=campaign_hash(project, name)[:16],
    )
    if not project.is_active(name):
        return spec

    @dg.multi_asset(
        name=step_name(key),
        specs=[spec],
        check_specs=campaign_check_specs(campaign),
        required_resource_keys={WAREHOUSE},
    )
    def compute(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        with stopped(f"campaign {name}"):
            runtime = warehouse.runtime
            run = refresh_campaign(runtime.engine, runtime.state, runtime.project, name, runtime.now())
            outlook = outlook_before_launch(runtime, run)
            metadata = {**campaign_metadata(runtime, run), **outlook_metadata(outlook)}
        context.log.info("%s: %d recipients, %d entered, %d left", name, run.size, run.entered, run.left)
        yield dg.MaterializeResult(
            metadata=metadata,
            data_version=dg.DataVersion(run.version),
            check_results=list(campaign_checks(campaign, run, outlook)),
        )

    assert compute.op.name == step_name(key)  # noqa: S101 - run config and notices name steps by it
    return compute


def campaign_inputs(project: Project, name: str, statement: SegmentStatement) -> list[dg.AssetKey]:
    """What a campaign reads: models, the segments it names, and the recipients of campaigns that outrank it."""
    wheres = conditions(project.campaigns[name])
    segments = {node.segment for where in wheres for node in nodes(where) if isinstance(node, SegmentMember)}
    return [
        *(source_key(model, project.models[model]) for model in statement.models),
        *(segment_key(segment) for segment in sorted(segments)),
        *(campaign_key(other) for other in outranking(project, name)),
    ]

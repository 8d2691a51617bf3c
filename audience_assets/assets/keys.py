"""Asset keys: how sources, segments and destination lists are called in Dagster."""

from __future__ import annotations

import dagster as dg

from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.models import Model
from audience_assets.project.project import Project

SOURCES = "warehouse"
SEGMENTS = "segment"
CAMPAIGNS = "campaign"
RESULTS = "campaign_results"
DELIVERY = "campaign_delivery"
INSIGHTS = "insights"
OVERLAP = "segment_overlap"


def source_key(name: str, model: Model) -> dg.AssetKey:
    """The upstream asset a model names (dbt's, say), else `warehouse/<model>`."""
    return dg.AssetKey(model.asset_key or [SOURCES, name])


def segment_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([SEGMENTS, name])


def insights_key(segment: str) -> dg.AssetKey:
    return dg.AssetKey([INSIGHTS, segment])


def campaign_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([CAMPAIGNS, name])


def results_key(campaign: str) -> dg.AssetKey:
    return dg.AssetKey([RESULTS, campaign])


def delivery_key(campaign: str) -> dg.AssetKey:
    return dg.AssetKey([DELIVERY, campaign])


def audience_key(project: Project, audience: str) -> dg.AssetKey:
    """The asset that computes an audience: a segment, or the campaign of a treatment group."""
    campaign = project.audience(audience).campaign
    return segment_key(audience) if campaign is None else campaign_key(campaign)


def list_key(activation: EffectiveActivation) -> dg.AssetKey:
    return dg.AssetKey([activation.destination, activation.name])


def step_name(key: dg.AssetKey) -> str:
    """Name of the step that materializes an asset, and of its op in run config."""
    return "__".join(key.path)


def list_keys(project: Project) -> dict[str, dg.AssetKey]:
    """Activation -> key of its list."""
    return {name: list_key(activation) for name, activation in project.effective.items()}

"""A project: all a team has declared, read and checked as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from pydantic import Field

from audience_assets.project.activations import Activation, Destination, EffectiveActivation, TextOrEnv
from audience_assets.project.audiences import Audience, treatment_audiences
from audience_assets.project.campaigns import Campaign, Holdout
from audience_assets.project.conditions import Declared
from audience_assets.project.days import Day
from audience_assets.project.models import CalculatedField, Insights, Model, Relationship, Segment


class WarehouseSettings(Declared):
    """Where the data is. A relative SQLite or DuckDB path is relative to the project's folder."""

    url: TextOrEnv = Field(description="SQLAlchemy's address; one with a password comes from the environment")
    state_schema: str = Field(default="audience_assets", description="our schema; a table prefix where there are none")


class Notifications(Declared):
    """Who hears of failed runs."""

    webhook_url: TextOrEnv | None = Field(
        default=None, description="where to post them; a secret, so it comes from the environment: {env: NAME}"
    )


class ProjectFile(Declared):
    """What all segments and activations share: the warehouse, its models, and who is told of failures."""

    project: str
    timezone: str = "UTC"
    first_sync_day: Day = Field(
        default=date(2026, 1, 1), description="where Dagster's calendar of deliveries begins; days before it are hidden"
    )
    warehouse: WarehouseSettings
    models: dict[str, Model]
    relationships: list[Relationship] = Field(default_factory=list)
    calculated_fields: dict[str, dict[str, CalculatedField]] = Field(default_factory=dict)
    insights: Insights = Insights()
    notifications: Notifications = Notifications()
    holdouts: dict[str, Holdout] = Field(
        default_factory=dict,
        description="shares of everybody whom campaigns leave alone; `universal` is every campaign's",
    )
    priority_lists: dict[str, list[str]] = Field(
        default_factory=dict, description="campaigns that share people, the first one first; each names its list"
    )


@dataclass(frozen=True)
class Project:
    """A checked project. Every name it holds resolves."""

    root: Path
    settings: ProjectFile
    segments: dict[str, Segment]
    destinations: dict[str, Destination]
    activations: dict[str, Activation]
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    effective: dict[str, EffectiveActivation] = field(default_factory=dict)
    # "activations.NAME.mapping.identifiers.email" -> "activations/NAME.yaml:7"; also for "destinations.NAME...."
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def models(self) -> dict[str, Model]:
        return self.settings.models

    @cached_property
    def treatments(self) -> dict[str, Audience]:
        """The treatment groups of all campaigns by `campaign.sub_audience.group`."""
        found: dict[str, Audience] = {}
        for name, campaign in self.campaigns.items():
            found |= {each.name: each for each in treatment_audiences(campaign, self.campaign_model(name))}
        return found

    def campaign_model(self, name: str) -> str:
        """Name of the users model whose people a campaign is for."""
        campaign = self.campaigns[name]
        return campaign.model or self._model_of(self.segments[campaign.include[0]])

    def lists_of(self, campaign: str) -> list[EffectiveActivation]:
        """The lists of a campaign's treatment groups."""
        return [each for each in self.effective.values() if self.audience(each.audience).campaign == campaign]

    def is_active(self, campaign: str) -> bool:
        """Whether a campaign is delivered: no draft, and not archived."""
        return self.campaigns[campaign].state == "active"

    @cached_property
    def delivered(self) -> dict[str, EffectiveActivation]:
        """The activations without those of campaigns that are drafts or archived."""
        campaign_of = {name: self.audience(each.audience).campaign for name, each in self.effective.items()}
        idle = {name for name, campaign in campaign_of.items() if campaign and not self.is_active(campaign)}
        return {name: each for name, each in self.effective.items() if name not in idle}

    def audience(self, name: str) -> Audience:
        """A segment, or a treatment group. Raises KeyError for another name."""
        segment = self.segments.get(name)
        if segment is None:
            return self.treatments[name]
        return Audience(name, self._model_of(segment), segment.label or name)

    def users_model(self, audience: str) -> str:
        """Name of the users model an audience is built on."""
        return self.audience(audience).model

    def _model_of(self, segment: Segment) -> str:
        return segment.model or next(name for name, model in self.models.items() if model.type == "users")

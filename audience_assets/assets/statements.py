"""What segments and lists read, at definition time: their text for people, and the models they read for the lineage."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from types import SimpleNamespace
from typing import cast

from sqlalchemy.engine import Dialect, Engine

from audience_assets.audiences.compiler import compile_segment
from audience_assets.audiences.display import dialect_named, render
from audience_assets.audiences.mapped import joined_fields, mapped_users, models_read
from audience_assets.campaigns.statement import Audience, compile_audience
from audience_assets.errors import WarehouseError
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.environment import env_name
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State

FALLBACK = "postgresql"


@dataclass(frozen=True)
class SegmentStatement:
    """What can be said of a segment without asking the warehouse."""

    sql: str
    models: tuple[str, ...]


def dialect_name(project: Project) -> str:
    """The warehouse's dialect by its address. Of an address in the environment only the scheme is looked at."""
    declared = project.settings.warehouse.url
    variable = env_name(declared)
    text = os.environ.get(variable, "") if variable else str(declared)
    return text.partition(":")[0].partition("+")[0] or FALLBACK


@dataclass
class Statements:
    """Compiles each segment once, as of the start of today (UTC), so that it reads the same at every load of a day."""

    project: Project

    def of(self, name: str) -> SegmentStatement:
        select = compile_segment(self.project, name, self._as_of, state=self._state)
        return SegmentStatement(render(select, self._dialect), tuple(models_read(self.project, select)))

    def of_campaign(self, name: str) -> SegmentStatement:
        """Who is for a campaign; whom other campaigns outrank is left out of the text, because it changes."""
        select = compile_audience(Audience(self.project, name, self._state, self._as_of))
        return SegmentStatement(render(select, self._dialect), tuple(models_read(self.project, select)))

    def models_behind(self, activation: EffectiveActivation) -> list[str]:
        """The models that a list's attributes are taken from: the users, and what is joined to them."""
        joined = joined_fields(self.project, activation)
        if not joined:
            return [activation.model]
        users = mapped_users(self.project, activation.model, joined, self._as_of, self._state)
        return models_read(self.project, users.table, *(target for target, _ in users.joins))

    @cached_property
    def _as_of(self) -> datetime:
        return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    @cached_property
    def _dialect(self) -> Dialect:
        try:
            return dialect_named(dialect_name(self.project))
        except WarehouseError:
            return dialect_named(FALLBACK)

    @cached_property
    def _state(self) -> State:
        # The state asks its engine for nothing but the dialect until it touches tables.
        offline = cast("Engine", SimpleNamespace(dialect=self._dialect))
        return State(offline, self.project.settings.warehouse.state_schema)

"""An opened project: its declarations, its warehouse, our state, and the way to its vendors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import sqlalchemy as sa
from pydantic import BaseModel

from audience_assets.destinations.base import Connection, DestinationType, ListService, Mapped, ServiceSpec
from audience_assets.destinations.limits import SlidingLimiter
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.fields import Fields
from audience_assets.project.load import load_project, resolve_env, resolve_settings
from audience_assets.project.places import Place
from audience_assets.project.project import Project
from audience_assets.warehouse.engine import expect_file, open_warehouse
from audience_assets.warehouse.slots import open_slot_log
from audience_assets.warehouse.state import State


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Runtime:
    """Use as a context manager, or call `close`. `now` dates what a sync writes; leases keep to the machine's clock."""

    project: Project
    engine: sa.Engine
    state: State
    limits_folder: Path
    destinations: Mapping[str, DestinationType] = field(default_factory=lambda: DESTINATIONS)
    now: Callable[[], datetime] = _utc_now
    # Settings of destinations that somebody has resolved already; the others' are read from the environment.
    settings: dict[str, BaseModel] = field(default_factory=dict)
    _limiters: dict[str, SlidingLimiter] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        root: Path | str,
        *,
        create: bool = True,
        destinations: Mapping[str, DestinationType] = DESTINATIONS,
        url: str | None = None,
    ) -> Runtime:
        """Read the project at `root`, open its warehouse (or the one at `url`), and create our tables if asked to."""
        project = load_project(root, destinations=destinations)
        settings = project.settings.warehouse
        engine = open_warehouse(url or resolve_env(settings.url), root=project.root)
        if url is None:
            expect_file(engine)
        state = State(engine, settings.state_schema)
        if create:
            state.create()
        return cls(project, engine, state, _limits_folder(engine), destinations)

    def spec(self, activation: str) -> ServiceSpec:
        effective = self.project.effective[activation]
        return self.destination_type(effective).services[effective.service]

    def destination_type(self, effective: EffectiveActivation) -> DestinationType:
        return self.destinations[effective.destination_type]

    def service(self, activation: str, *, at_most: Mapping[str, float] = MappingProxyType({})) -> ListService:
        """The service that delivers an activation. Secrets are read from the environment now.

        Settings of the vendor in `at_most` are lowered to that, where it has them, for somebody who waits.
        """
        effective = self.project.effective[activation]
        kind, spec = self.destination_type(effective), self.spec(activation)
        given = self.settings.get(effective.destination)
        settings = given or resolve_settings(self.project.destinations[effective.destination], kind)
        settings = _lowered(settings, at_most)
        return spec.connect(
            Connection(
                settings=settings,
                options=spec.options_model.model_validate(effective.options),
                resubscribe=effective.consent.resubscribe,
                import_history=effective.consent.import_history,
                default_region=effective.mapping.default_region,
                limiter=self._limiter(kind.account(settings)),
                now=self.now,
                mapped=self._mapped(effective),
                activation=effective.name,
                list_name=effective.list_name,
            )
        )

    def _mapped(self, effective: EffectiveActivation) -> Mapped:
        fields = Fields(self.project.settings)

        def types(names: Mapping[str, str]) -> dict[str, str]:
            return {name: fields.resolve(effective.model, f, Place.nowhere()) or "text" for name, f in names.items()}

        constants = dict.fromkeys(effective.constants, "text")
        return Mapped(types(effective.mapping.identifiers), {**types(effective.mapping.fields), **constants})

    def _limiter(self, account: str) -> SlidingLimiter:
        if account not in self._limiters:
            log = open_slot_log(self.engine, self.limits_folder, schema=self.state.namespace)
            self._limiters[account] = SlidingLimiter(log, account)
        return self._limiters[account]

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lowered(settings: BaseModel, at_most: Mapping[str, float]) -> BaseModel:
    own = {name: getattr(settings, name) for name in at_most if hasattr(settings, name)}
    return settings.model_copy(update={name: min(value, at_most[name]) for name, value in own.items()})


def _limits_folder(engine: sa.Engine) -> Path:
    """Where the log of vendor calls is kept: beside an embedded warehouse, else in this machine's temporary folder."""
    database = engine.url.database
    if engine.dialect.name in ("sqlite", "duckdb") and database and database != ":memory:":
        return Path(database).parent
    return Path(tempfile.gettempdir()) / f"audience_assets_{os.getuid()}"

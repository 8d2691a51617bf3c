"""Dagster resources: they hold settings, with secrets as environment variables, and build what the engine works with.

A value that the project reads from the environment is an EnvVar here, resolved when a run starts and shown in the UI
by the variable's name. A secret written into the project's files is not copied here at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from audience_assets.assets.project_folder import EMBEDDED_PROJECT, EXPLANATION
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.errors import AudienceError
from audience_assets.project.activations import Destination, EffectiveActivation
from audience_assets.project.environment import env_name, resolve_settings
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime

WAREHOUSE = "audience_warehouse"
CONSENT = "audience_consent_history"


def destination_key(destination: str) -> str:
    """Resource key of a destination."""
    return f"audience_{destination}"


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The project and its warehouse, opened once a run."""

    project: str = Field(description="the project's folder")
    url: str | None = Field(default=None, repr=False, description="the warehouse; by default as the project says")
    _runtime: Runtime | None = PrivateAttr(default=None)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        if self._runtime is not None:
            self._runtime.close()
            self._runtime = None

    @property
    def runtime(self) -> Runtime:
        """The project with its warehouse and our state tables, opened when first asked for.

        Raises ProjectError or WarehouseError; not at the run's start, so that a step can tell it in plain words.
        """
        if self._runtime is None:
            if Path(self.project).resolve() == EMBEDDED_PROJECT.resolve():
                raise AudienceError(EXPLANATION)
            self._runtime = Runtime.open(self.project, url=self.url)
        return self._runtime


class DestinationResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One vendor account. Its client is built by the service that delivers."""

    destination: str
    type: str
    settings: dict[str, str] = Field(default={}, repr=False)

    def connect(self, runtime: Runtime) -> None:
        """Let the runtime deliver to this account with these settings."""
        declared = runtime.project.destinations[self.destination]
        given = declared.model_copy(update={"settings": {**declared.settings, **self.settings}})
        runtime.settings[self.destination] = resolve_settings(given, DESTINATIONS[self.type])


class ConsentHistory(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the proof of people's consent is: for every activation, which columns tell it.

    Shown under the resources, and written down with every delivery, because the project's files change over time.
    """

    consent_at: dict[str, dict[str, str]] = Field(
        default={}, description='"Consent At": activation -> channel -> column with the time'
    )
    history: dict[str, str] = Field(default={}, description="activation -> consent events model, newest entry decides")

    def mapping(self, activation: str) -> dg.TableMetadataValue | None:
        """Where this activation's consent times come from; None if it imports none."""
        records = [
            dg.TableRecord({"channel": channel, "consent at": column, "consent events": self.history.get(activation)})
            for channel, column in self.consent_at.get(activation, {}).items()
        ]
        if not records and activation in self.history:
            records = [
                dg.TableRecord({"channel": "all", "consent at": None, "consent events": self.history[activation]})
            ]
        return dg.MetadataValue.table(records) if records else None


def build_resources(project: Project) -> dict[str, object]:
    """A project's resources by key."""
    variable = env_name(project.settings.warehouse.url)
    url = {"url": dg.EnvVar(variable)} if variable else {}
    resources: dict[str, object] = {
        WAREHOUSE: WarehouseResource(project=str(project.root), **url),
        CONSENT: _consent_history(project.effective),
    }
    for name, destination in project.destinations.items():
        resources[destination_key(name)] = DestinationResource(
            destination=name, type=destination.type, settings=_settings(destination)
        )
    return resources


def _settings(destination: Destination) -> dict[str, str]:
    secret = DESTINATIONS[destination.type].secret_fields
    shown: dict[str, str] = {}
    for field, value in destination.settings.items():
        variable = env_name(value)
        if variable:
            shown[field] = dg.EnvVar(variable)
        elif isinstance(value, str) and field not in secret:
            shown[field] = value
    return shown


def _consent_history(activations: Mapping[str, EffectiveActivation]) -> ConsentHistory:
    columns = {name: _consent_columns(activation) for name, activation in activations.items()}
    return ConsentHistory(
        consent_at={name: found for name, found in columns.items() if found},
        history={name: each.consent.history.model for name, each in activations.items() if each.consent.history},
    )


def _consent_columns(activation: EffectiveActivation) -> dict[str, str]:
    """Of the channels that the list opts in on: channel -> column with the time of consent."""
    service = DESTINATIONS[activation.destination_type].services[activation.service]
    channels = service.channels(service.options_model.model_validate(activation.options))
    mapped = activation.consent.consent_at
    return {channel: f"{activation.model}.{mapped[channel]}" for channel in channels if channel in mapped}

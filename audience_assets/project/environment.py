"""Values that come from the environment: `{env: NAME}`. They are read when they are used and kept nowhere."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel, ValidationError

from audience_assets.destinations.base import DestinationType
from audience_assets.errors import AudienceError
from audience_assets.project.activations import Destination, EnvValue
from audience_assets.project.validation import mistakes
from audience_assets.project.yaml_text import dotted


class MissingVariable(AudienceError):
    """An environment variable that the project names is not set, or empty."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"The environment variable {name} is not set; the project reads a setting from it. Set it, or, "
            "on your own machine, write it in the file .env beside project.yaml."
        )


def env_name(value: Any) -> str | None:
    """The variable's name if the value is `{env: NAME}`."""
    if isinstance(value, EnvValue):
        return value.env
    if isinstance(value, dict) and set(value) == {"env"} and isinstance(value["env"], str):
        return value["env"]
    return None


def resolve_env(value: str | EnvValue) -> str:
    """The text itself, or the variable's value. Raises MissingVariable."""
    return value if isinstance(value, str) else _read(value.env)


def resolve_settings(destination: Destination, destination_type: DestinationType) -> BaseModel:
    """The destination's settings with their secrets. Raises MissingVariable, or AudienceError without any value."""
    data = _resolved(destination.settings)
    model = destination_type.settings_model
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = [f"{dotted(each.path)} {each.explained(private=True)[0]}".strip() for each in mistakes(model, error)]
    # Raised here, not inside `except`: the pydantic error holds the values and must not be chained.
    raise AudienceError(f"The settings of this {destination_type.title} account are not usable: {'; '.join(found)}.")


def _resolved(value: Any) -> Any:
    name = env_name(value)
    if name is not None:
        return _read(name)
    if isinstance(value, dict):
        return {key: _resolved(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each) for each in value]
    return value


def _read(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise MissingVariable(name)
    return value

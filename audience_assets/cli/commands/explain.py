"""`audience-assets explain`: every effective setting of an activation and where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.cli.words import table
from audience_assets.project.activations import EffectiveActivation

NOT_SETTINGS = {"name", "origins"}
DERIVED = {"model": "the audience", "destination_type": "the destination"}
DEFAULT = "built-in default"


@declare("explain", click.argument("activation"))
def command(session: Session, activation: str) -> None:
    """Show every setting of an activation as it takes effect, and which file and line or default it comes from."""
    project = session.project()
    known(activation, "activation", project.effective)
    effective = project.effective[activation]
    rows = list(_settings(effective))
    if session.as_json:
        session.answer(
            {
                "activation": activation,
                "settings": [{"setting": name, "value": value, "from": origin} for name, value, origin in rows],
            }
        )
        return
    cells = [(name, _text(value), origin) for name, value, origin in rows]
    session.say(table(activation, ("setting", "value", "from"), cells))


def _settings(effective: EffectiveActivation) -> Iterator[tuple[str, Any, str]]:
    """Dotted name, value and origin, a leaf each; a leaf inherits its parents' origin."""
    values = effective.model_dump(mode="json", exclude=NOT_SETTINGS)
    for name, value in _leaves(values):
        yield name, value, _origin(name, effective.origins)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _origin(name: str, origins: Mapping[str, str]) -> str:
    if name in DERIVED:
        return DERIVED[name]
    while name:
        if name in origins:
            return origins[name]
        name = name.rpartition(".")[0]
    return DEFAULT


def _text(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)

"""Descriptions of assets, in Markdown: what a marketer asks first, then what an engineer asks."""

from __future__ import annotations

import re
from typing import Any

from audience_assets.assets.statements import SegmentStatement
from audience_assets.destinations.base import ServiceSpec
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.describe import describe
from audience_assets.project.models import Segment
from audience_assets.project.project import Project

_MARKUP = re.compile(r"[\\`*_<>\[\]|]")
# What the declaration says of itself, and what has a line of its own.
NOT_SETTINGS = {"name", "audience", "model", "destination", "destination_type", "description", "origins", "list_name"}


def segment_text(project: Project, segment: Segment, statement: SegmentStatement) -> str:
    """Label, description, the condition in words and the SQL."""
    condition = bullets(describe(segment.where, project)) if segment.where is not None else "- everybody"
    parts = [
        f"**{segment.label or segment.segment}**",
        segment.description or "",
        f"Who is in:\n\n{condition}" + (f"\n\nOnly the {_limit(segment)}" if segment.limit else ""),
        f"As of the start of today this is the statement:\n\n```sql\n{statement.sql}\n```",
    ]
    return "\n\n".join(part for part in parts if part)


def bullets(lines: str) -> str:
    """Indented lines as a nested list: Markdown would run them together."""
    found = []
    for line in lines.splitlines():
        words = line.lstrip()
        found.append(f"{line[: len(line) - len(words)]}- {_MARKUP.sub(_escaped, words)}")
    return "\n".join(found)


def _escaped(mark: re.Match[str]) -> str:
    return f"\\{mark[0]}"


def _limit(segment: Segment) -> str:
    assert segment.limit is not None  # noqa: S101
    order = "highest" if segment.limit.order == "desc" else "lowest"
    return f"first {segment.limit.top:,} with the {order} {segment.limit.by}."


def list_text(activation: EffectiveActivation, service: ServiceSpec) -> str:
    """What the list is, and every setting that applies with the place it comes from."""
    parts = [
        f"**{activation.list_name}** at {activation.destination}: kept equal to `{activation.audience}`.",
        activation.description or "",
        f"{service.title}: {service.description}",
        _settings_table(activation, service),
    ]
    return "\n\n".join(part for part in parts if part)


def _settings_table(activation: EffectiveActivation, service: ServiceSpec) -> str:
    unused = NOT_SETTINGS if service.carries_consent else NOT_SETTINGS | {"consent"}
    rows = ["| setting | value | from |", "| --- | --- | --- |"]
    rows += [
        f"| {name} | {_cell(value)} | {_origin(activation, name)} |"
        for name, value in _flat(activation.model_dump(mode="json", exclude=unused))
        if value not in (None, [], {}, "") and (name != "schedule.weekday" or activation.schedule.cadence == "weekly")
    ]
    return "\n".join(rows)


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, each in value.items():
        name = f"{prefix}{key}"
        found += _flat(each, f"{name}.") if isinstance(each, dict) and each else [(name, each)]
    return found


def _origin(activation: EffectiveActivation, name: str) -> str:
    """Where the setting stands, or the nearest one that holds it."""
    while name and name not in activation.origins:
        name = name.rpartition(".")[0]
    return activation.origins.get(name, "")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
    return shown.replace("|", "\\|").replace("\n", " ")

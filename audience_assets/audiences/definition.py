"""A fingerprint of what a segment means, so that a run can tell whether its definition has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from audience_assets.project.conditions import All, Any_, Condition, Not, Related, SegmentMember
from audience_assets.project.project import Project, ProjectFile

# What people read, or what is checked after a run: no change of who is in.
TALK = {"label", "description", "tags", "owners", "min_size", "max_size_change_percent"}


def definition_hash(project: Project, name: str) -> str:
    """Sha-256 of everything that decides who is in: the segment, those it refers to, and the models."""
    segments = {each: plain(project.segments[each]) for each in [name, *referenced_segments(project, name)]}
    return hash_of({"models": models_hash(project.settings), "segments": segments})


def models_hash(settings: ProjectFile) -> str:
    """Sha-256 of everything that decides what a field means: models, relationships, calculated fields, timezone."""
    return hash_of(
        {
            "timezone": settings.timezone,
            "models": {key: plain(model) for key, model in settings.models.items()},
            "relationships": [plain(relationship) for relationship in settings.relationships],
            "calculated": {
                model: {key: plain(field) for key, field in fields.items()}
                for model, fields in settings.calculated_fields.items()
            },
        }
    )


def hash_of(parts: dict[str, Any]) -> str:
    """Sha-256 of plain data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def plain(declared: Any) -> Any:
    """What is declared, as plain data, but for what people read."""
    return declared.model_dump(mode="json", by_alias=True, exclude=TALK | {"asset_key", "watermark"})


def referenced_segments(project: Project, name: str) -> list[str]:
    """Segments that a segment's conditions refer to, directly or through others, each once."""
    found: list[str] = []
    _collect(project, project.segments[name].where, found)
    return found


def _collect(project: Project, condition: Condition | None, found: list[str]) -> None:
    for node in nodes(condition):
        if isinstance(node, SegmentMember) and node.segment not in found:
            found.append(node.segment)
            _collect(project, project.segments[node.segment].where, found)


def all_nodes(project: Project, name: str) -> Iterator[Condition]:
    """Every node of a segment and of those it refers to."""
    return all_nodes_of(project, [project.segments[name].where])


def all_nodes_of(project: Project, conditions: Iterable[Condition | None]) -> Iterator[Condition]:
    """Every node of some conditions and of the segments they refer to, each segment once."""
    found: list[str] = []
    for condition in conditions:
        yield from nodes(condition)
        _collect(project, condition, found)
    for segment in found:
        yield from nodes(project.segments[segment].where)


def nodes(condition: Condition | None) -> Iterator[Condition]:
    """Every node of a condition, itself first."""
    if condition is None:
        return
    yield condition
    children: list[Condition | None] = []
    match condition:
        case All():
            children = [*condition.all]
        case Any_():
            children = [*condition.any]
        case Not():
            children = [condition.not_]
        case Related():
            children = [condition.where]
    for child in children:
        yield from nodes(child)

"""A fingerprint of what a segment means, so that a run can tell whether its definition has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from audience_assets.project.conditions import All, Any_, Condition, Not, Related, SegmentMember
from audience_assets.project.project import Project, ProjectFile

# What people read, or what is checked after a run: no change of who is in.
TALK = {"label", "description", "tags", "owners", "min_size", "max_size_change_percent"}


def definition_hash(project: Project, name: str) -> str:
    """Sha-256 of everything that decides who is in: the segment, those it refers to, and the models."""
    segments = {each: _plain(project.segments[each]) for each in [name, *referenced_segments(project, name)]}
    return _hash({"models": models_hash(project.settings), "segments": segments})


def models_hash(settings: ProjectFile) -> str:
    """Sha-256 of everything that decides what a field means: models, relationships, calculated fields, timezone."""
    return _hash(
        {
            "timezone": settings.timezone,
            "models": {key: _plain(model) for key, model in settings.models.items()},
            "relationships": [_plain(relationship) for relationship in settings.relationships],
            "calculated": {
                model: {key: _plain(field) for key, field in fields.items()}
                for model, fields in settings.calculated_fields.items()
            },
        }
    )


def _hash(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _plain(declared: Any) -> Any:
    return declared.model_dump(mode="json", by_alias=True, exclude=TALK | {"asset_key", "watermark"})


def referenced_segments(project: Project, name: str) -> list[str]:
    """Segments that a segment's conditions refer to, directly or through others, each once."""
    found: list[str] = []
    _collect(project, name, found)
    return found


def _collect(project: Project, name: str, found: list[str]) -> None:
    for node in nodes(project.segments[name].where):
        if isinstance(node, SegmentMember) and node.segment not in found:
            found.append(node.segment)
            _collect(project, node.segment, found)


def all_nodes(project: Project, name: str) -> Iterator[Condition]:
    """Every node of a segment and of those it refers to."""
    for segment in (name, *referenced_segments(project, name)):
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

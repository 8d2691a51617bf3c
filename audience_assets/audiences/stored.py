"""Memberships that were stored by an earlier computation. One that was never stored is unknown, which is not empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy.engine import Connection

from audience_assets.audiences.definition import all_nodes
from audience_assets.errors import WarehouseError
from audience_assets.project.conditions import SegmentMember
from audience_assets.project.project import Project
from audience_assets.warehouse.keys import found_keys
from audience_assets.warehouse.state import State


class NotComputed(WarehouseError):
    """Nobody knows who is in the segment now."""


def segments_read(project: Project, name: str) -> list[str]:
    """Segments whose stored membership a segment's conditions read: who joined or left them lately."""
    return sorted(
        {
            node.segment
            for node in all_nodes(project, name)
            if isinstance(node, SegmentMember) and (node.joined_within or node.left_within)
        }
    )


def in_order(project: Project, names: Iterable[str]) -> list[str]:
    """The segments and those whose stored membership they read, which come before them; each once."""
    ordered: dict[str, None] = {}
    for name in names:
        for each in (*in_order(project, segments_read(project, name)), name):
            ordered.setdefault(each)
    return list(ordered)


def expect_computed(connection: Connection, state: State, project: Project, names: Collection[str]) -> None:
    """Raises NotComputed, which names the command, unless each segment's members are stored under today's keys."""
    if not names:
        return
    tables = {name: state.segment(name, project.models[project.users_model(name)].key_type) for name in names}
    found = found_keys(connection, list(tables.values()))
    for name, table in tables.items():
        if table.name not in found:
            _refuse(name, f"segment {name} was never computed, so nobody knows who is in it")
        if kept := found[table.name]:
            model = project.users_model(name)
            now = project.models[model].key_type
            _refuse(name, f"segment {name} was computed when the key of {model} was {kept}, which is {now} now")


def _refuse(name: str, why: str) -> None:
    raise NotComputed(
        f"{why}. Compute it: audience-assets insights {name} (or materialize the asset segment/{name} in Dagster)."
    )

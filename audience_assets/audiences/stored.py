"""Memberships that were stored by an earlier computation. One that was never stored is unknown, which is not empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.definition import all_nodes
from audience_assets.audiences.received import campaigns_read
from audience_assets.errors import WarehouseError
from audience_assets.project.conditions import Condition, SegmentMember
from audience_assets.project.project import Project
from audience_assets.warehouse.keys import found_keys
from audience_assets.warehouse.state import State


class NotComputed(WarehouseError):
    """Nobody knows who is in the segment now."""


def segments_read(project: Project, name: str) -> list[str]:
    """Segments whose stored membership a segment's conditions read: who joined or left them lately."""
    return memberships_read(all_nodes(project, name))


def memberships_read(nodes: Iterable[Condition]) -> list[str]:
    """Segments whose stored membership these conditions read."""
    members = (node for node in nodes if isinstance(node, SegmentMember))
    return sorted({node.segment for node in members if node.joined_within or node.left_within})


def expect_read(connection: Connection, state: State, project: Project, model: str, nodes: Iterable[Condition]) -> None:
    """What these conditions about a users model read of earlier computations is there, or nothing can be told.

    Raises NotComputed for a membership that nobody knows. A campaign that was never computed has no recipients; its
    tables are made, empty.
    """
    read = list(nodes)
    expect_computed(connection, state, project, memberships_read(read))
    key_type = project.models[model].key_type
    for tables in (state.recipient, state.assignment):
        theirs = {name: tables(name, key_type) for name in campaigns_read(project, model, read)}
        for table in theirs.values():
            table.create(connection, checkfirst=True)
        expect_todays_keys(connection, project, model, theirs)


def in_order(project: Project, names: Iterable[str]) -> list[str]:
    """The segments and those whose stored membership they read, which come before them; each once."""
    ordered: dict[str, None] = {}
    for name in names:
        for each in (*in_order(project, segments_read(project, name)), name):
            ordered.setdefault(each)
    return list(ordered)


def expect_computed(connection: Connection, state: State, project: Project, names: Collection[str]) -> None:
    """Raises NotComputed, which names the command, unless each audience's members are stored under today's keys."""
    if not names:
        return
    tables = {name: state.segment(name, project.models[project.users_model(name)].key_type) for name in names}
    found = found_keys(connection, list(tables.values()))
    for name, table in tables.items():
        audience = project.audience(name)
        kind, computed = ("campaign", audience.campaign) if audience.campaign else ("segment", name)
        if table.name not in found:
            _refuse(
                kind, computed, f"{kind} {computed} was never computed, so nobody knows who is in {_it(name, kind)}"
            )
        if kept := found[table.name]:
            _refuse_keys(kind, computed, project, audience.model, kept)


def expect_todays_keys(connection: Connection, project: Project, model: str, tables: Mapping[str, sa.Table]) -> None:
    """Raises NotComputed where a campaign's table, by the campaign, is there under former keys of the users model."""
    if not tables:
        return
    found = found_keys(connection, list(tables.values()))
    for campaign, table in tables.items():
        if kept := found.get(table.name):
            _refuse_keys("campaign", campaign, project, model, kept)


def _it(name: str, kind: str) -> str:
    return "it" if kind == "segment" else name


def _refuse_keys(kind: str, name: str, project: Project, model: str, kept: str) -> None:
    now = project.models[model].key_type
    _refuse(kind, name, f"{kind} {name} was computed when the key of {model} was {kept}, which is {now} now")


def _refuse(kind: str, name: str, why: str) -> None:
    command = f"insights {name}" if kind == "segment" else f"campaign recipients {name}"
    raise NotComputed(
        f"{why}. Compute it: audience-assets {command} (or materialize the asset {kind}/{name} in Dagster)."
    )

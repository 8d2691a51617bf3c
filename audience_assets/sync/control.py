"""A campaign's control is not sent under another name: whoever is known by an address of theirs is left out as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.store import temporary_table
from audience_assets.project.project import Project
from audience_assets.sync.desired import Desired
from audience_assets.warehouse.state import State


def control_of(project: Project, state: State, audience: str) -> sa.Select[Any] | None:
    """The keys, as `user_key`, of a treatment group's present control; None for a segment."""
    group = project.audience(audience)
    if group.campaign is None:
        return None
    recipient = state.recipient(group.campaign, project.models[group.model].key_type)
    return sa.select(recipient.c.user_key).where(recipient.c.is_control).distinct()


@contextmanager
def without_control(connection: Connection, desired: Desired, control: sa.Select[Any] | None) -> Iterator[Desired]:
    """The desired state without members who share their identifier with somebody in `control`; mostly there are none.

    It is good while the context is open, in the caller's transaction.
    """
    if control is None:
        yield desired
        return
    members = desired.members
    barred = temporary_table("barred", sa.Column("user_key", members.c.user_key.type, nullable=False))
    barred.create(connection, checkfirst=False)
    connection.execute(sa.insert(barred).from_select(["user_key"], _sharing(desired, control)))
    if connection.scalar(sa.select(sa.func.count()).select_from(barred)):
        others = members.c.user_key.not_in(sa.select(barred.c.user_key))
        desired = replace(desired, members=sa.select(members.c.user_key).where(others).subquery("members"))
    yield desired
    barred.drop(connection)


def _sharing(desired: Desired, control: sa.Select[Any]) -> sa.Select[Any]:
    """Keys of the members whose identifier is one of the control's too."""
    held = replace(desired, members=control.subquery("control"))
    theirs = _identified(held).with_only_columns(held.identifier().label("identifier")).distinct().subquery("held")
    ours = _identified(desired).subquery("known")
    shared = sa.select(ours.c.user_key).distinct()
    return shared.join_from(ours, theirs, theirs.c.identifier == ours.c.identifier)


def _identified(desired: Desired) -> sa.Select[Any]:
    columns = (desired.members.c.user_key, desired.identifier().label("identifier"))
    return sa.select(*columns).select_from(desired.joined(identifiers_only=True)).where(desired.has_identifier())

"""A segment as a SELECT of its members' keys."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.chance import ordered
from audience_assets.audiences.predicates import base_conditions, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import Statement


def members(statement: Statement, name: str) -> sa.Select[Any]:
    """The keys of a segment's members, as `user_key`."""
    project = statement.project
    segment, model = project.segments[name], project.users_model(name)
    users = Scope(statement, model)
    conditions = base_conditions(users)
    if segment.where is not None:
        conditions.append(predicate(segment.where, users))
    order = []
    if segment.limit is not None:
        order = ordered(users, segment.limit.by, descending=segment.limit.order == "desc")
    select = sa.select(users.key.label("user_key")).select_from(users.joined()).where(*conditions)
    return select.order_by(*order).limit(segment.limit.top) if segment.limit else select

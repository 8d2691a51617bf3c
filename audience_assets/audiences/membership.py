"""Conditions on membership: of another segment now or lately, and of an uploaded list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.members import members
from audience_assets.audiences.predicates import holds, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import digest
from audience_assets.project.conditions import SegmentMember, UploadedList
from audience_assets.project.times import ago
from audience_assets.warehouse.column_types import UtcDateTime


@predicate.register
def _(node: SegmentMember, scope: Scope) -> sa.ColumnElement[bool]:
    parts = []
    if node.joined_within is None and node.left_within is None:
        parts.append(_is_member(scope, node.segment))
    if node.joined_within is not None:
        parts.append(_joined_since(scope, node.segment, node.joined_within))
    if node.left_within is not None:
        parts.append(_left_since(scope, node.segment, node.left_within))
    found = sa.and_(*parts)
    return found if node.is_member else sa.not_(found)


@predicate.register
def _(node: UploadedList, scope: Scope) -> sa.ColumnElement[bool]:
    table = scope.statement.state.uploaded_list(node.list, _key_type(scope)).alias(f"list_{node.list}")
    return _in(scope, table, f"list {node.list}")


def _is_member(scope: Scope, name: str) -> sa.ColumnElement[bool]:
    """Inlined, so that one statement sees one moment; the state is not asked."""
    return _in_cte(scope, f"segment_{name}", lambda: members(scope.statement, name))


def _joined_since(scope: Scope, name: str, duration: str) -> sa.ColumnElement[bool]:
    """In the last run's membership, since that long ago up to and including this run's time."""
    table = scope.statement.state.segment(name, _key_type(scope))
    recent = sa.select(table.c.user_key).where(*_since(scope, table.c.entered_at, duration))
    return _in_cte(scope, f"joined_{name}_{digest(duration)}", lambda: recent)


def _left_since(scope: Scope, name: str, duration: str) -> sa.ColumnElement[bool]:
    """Left since then and not back."""
    state = scope.statement.state
    history = state.segment_history.alias(f"history_{name}")
    key_type = _key_type(scope)
    present = state.segment(name, key_type).alias(f"present_{name}")
    # Compared as text, which the history holds: keys from before the model's changed may be no numbers.
    gone = (
        sa.select(history.c.user_key)
        .distinct()
        .select_from(history.outerjoin(present, _as_text(present.c.user_key, key_type) == history.c.user_key))
        .where(history.c.segment == name, present.c.user_key.is_(None))
        .where(*_since(scope, history.c.left_at, duration))
    )
    cte = f"left_{name}_{digest(duration)}"
    left = scope.statement.cte(cte, lambda: gone)
    joined = scope.join(left, _as_text(scope.key, key_type) == left.c.user_key, cte)
    return holds(joined.c.user_key.is_not(None))


def _as_text(key: sa.ColumnElement[Any], key_type: str) -> sa.ColumnElement[Any]:
    return key if key_type == "text" else sa.cast(key, sa.String)


def _since(scope: Scope, column: sa.ColumnElement[Any], duration: str) -> list[sa.ColumnElement[bool]]:
    start = ago(duration, scope.clock.as_of, scope.clock.timezone)
    return [
        column >= sa.literal(start, UtcDateTime()),
        column <= sa.literal(scope.clock.as_of, UtcDateTime()),
    ]


def _in_cte(scope: Scope, name: str, build: Callable[[], sa.Select[Any]]) -> sa.ColumnElement[bool]:
    return _in(scope, scope.statement.cte(name, build), name)


def _in(scope: Scope, keys: sa.FromClause, name: str) -> sa.ColumnElement[bool]:
    joined = scope.join(keys, scope.key == keys.c.user_key, name)
    return holds(joined.c.user_key.is_not(None))


def _key_type(scope: Scope) -> str:
    return scope.catalogue.settings.models[scope.model].key_type

"""From a condition to a boolean SQL expression. Each kind of node registers its own compiler."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.scope import Scope
from audience_assets.project.conditions import All, Any_, Not


@singledispatch
def predicate(node: Any, scope: Scope) -> sa.ColumnElement[bool]:
    """The expression that holds for the scope's rows that fulfil `node`. It may be NULL, which means no."""
    raise TypeError(f"no compiler for a {type(node).__name__} of {scope.model}")


def holds(expression: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """True or false, never NULL.

    A condition on something LEFT JOINed is always wrapped so, even where NULL would do: bare, it lets SQLite and
    Postgres turn the join into an inner one and start from a CTE whose size they can only guess, which took
    minutes instead of a second for a million users.
    """
    return sa.func.coalesce(expression, sa.false())


def complement(expression: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Everybody for whom `expression` does not hold, those it says nothing about included."""
    return sa.not_(holds(expression))


def base_conditions(scope: Scope) -> list[sa.ColumnElement[bool]]:
    """The model's base filter: what makes a row count at all, wherever the model is used."""
    base = scope.catalogue.settings.models[scope.model].base_filter
    return [] if base is None else [predicate(base, scope)]


@predicate.register
def _(node: All, scope: Scope) -> sa.ColumnElement[bool]:
    return sa.and_(*(predicate(child, scope) for child in node.all))


@predicate.register
def _(node: Any_, scope: Scope) -> sa.ColumnElement[bool]:
    return sa.or_(*(predicate(child, scope) for child in node.any))


@predicate.register
def _(node: Not, scope: Scope) -> sa.ColumnElement[bool]:
    return complement(predicate(node.not_, scope))

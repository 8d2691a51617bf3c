"""Measures over the rows of a to-many related model: one grouped CTE for each set of rows, LEFT JOINed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.predicates import base_conditions, predicate
from audience_assets.audiences.scope import Place, Scope
from audience_assets.audiences.statement import digest, short
from audience_assets.audiences.temporal import Bounds, within
from audience_assets.project.conditions import Condition
from audience_assets.project.links import Link

Build = Callable[[Scope], sa.ColumnElement[Any]]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that count: related over `link`, within `bounds`, holding `where` and the model's base filter."""

    link: Link
    bounds: Bounds
    where: Condition | None = None

    @property
    def name(self) -> str:
        """A CTE name that only an equal set of rows has."""
        where = self.where.model_dump(mode="json", by_alias=True) if self.where else None
        return f"{self.link.model}_{digest(self.link.on, *self.bounds, where)}"


def measured(scope: Scope, place: Place, rows: Rows, label: str, build: Build) -> sa.ColumnElement[Any]:
    """The measure `label` of a row's related rows; NULL where there are none.

    `build` makes the aggregate within the related model's scope; equal labels must mean equal aggregates.
    """
    statement = scope.statement
    known = statement.measures.setdefault(rows.name, {})
    if statement.discovering:
        if label not in known:
            known[label] = build
            _select(scope, rows, {label: build})  # what it is made of may need measures, too
        return sa.literal_column("NULL")
    name = rows.name if place is scope.place else f"{place.table.description}__{rows.name}"
    cte = statement.cte(rows.name, lambda: _select(scope, rows, known))
    target = cte if place is scope.place else cte.alias(short(name))
    on = [place.table.c[here] == target.c[f"k{number}"] for number, (here, _) in enumerate(rows.link.on)]
    return scope.join(target, sa.and_(*on), name).c[label]


def _select(scope: Scope, rows: Rows, measures: dict[str, Build]) -> sa.Select[Any]:
    inner = Scope(scope.statement, rows.link.model)
    keys = [inner.place.table.c[there] for _, there in rows.link.on]
    conditions = [*(key.is_not(None) for key in keys), *row_conditions(inner, rows.bounds)]
    if rows.where is not None:
        conditions.append(predicate(rows.where, inner))
    columns = [key.label(f"k{number}") for number, key in enumerate(keys)]
    columns += [build(inner).label(label) for label, build in measures.items()]
    return sa.select(*columns).select_from(inner.joined()).where(*conditions).group_by(*keys)


def row_conditions(inner: Scope, bounds: Bounds) -> list[sa.ColumnElement[bool]]:
    """What every use of a model asks of its rows: the base filter, and a time within the bounds."""
    model = inner.catalogue.settings.models[inner.model]
    conditions = base_conditions(inner)
    if model.timestamp:
        kind = inner.catalogue.field_type(inner.model, model.timestamp)
        conditions.append(within(inner.place.table.c[model.timestamp], kind, bounds, inner.clock))
    return conditions

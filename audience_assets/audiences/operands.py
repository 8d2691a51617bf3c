"""What a condition's field means: a column, a column over belongs-to relationships, or a calculated field."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.arithmetic import arithmetic
from audience_assets.audiences.grouped import Rows, measured
from audience_assets.audiences.scope import Operand, Place, Scope
from audience_assets.audiences.statement import digest
from audience_assets.project.conditions import Window
from audience_assets.project.formula import parse_formula
from audience_assets.project.measures import measure_type, parse_measure
from audience_assets.project.models import CalculatedField
from audience_assets.project.times import window_bounds


def operand(scope: Scope, path: str) -> Operand:
    """The value a dotted path names, seen from the scope's row."""
    place, field = scope.reach(path)
    calculated = scope.catalogue.settings.calculated_fields.get(place.model, {}).get(field)
    if calculated is not None:
        return _calculated(scope, place, calculated, path.removesuffix(field))
    declared = scope.catalogue.settings.models[place.model].fields.get(field)
    kind = scope.catalogue.field_type(place.model, field)
    ignore_case = declared.ignore_case if declared else False
    return Operand(place.table.c[field], kind, ignore_case, joined=place is not scope.place)


def _calculated(scope: Scope, place: Place, calculated: CalculatedField, prefix: str) -> Operand:
    if calculated.formula is not None:
        number = arithmetic(parse_formula(calculated.formula), lambda name: operand(scope, prefix + name).expression)
        return Operand(number, "number", joined=True)
    if calculated.aggregate is None or calculated.over is None:
        raise ValueError("a calculated field is a formula, or an aggregate over a model")
    window = Window(within=calculated.within) if calculated.within else None
    rows = related_rows(scope, place, calculated.over, window)
    return measure(scope, place, Rows(rows.link, rows.bounds, calculated.where), calculated.aggregate)


def related_rows(scope: Scope, place: Place, related: str, window: Window | None) -> Rows:
    """The rows of a to-many related model within a window that ends at the run's time unless it says otherwise."""
    link = scope.catalogue.to_many(place.model, related)
    timezone = scope.catalogue.settings.timezone
    return Rows(link, window_bounds(window, scope.statement.as_of, timezone))


def measure(scope: Scope, place: Place, rows: Rows, text: str | None) -> Operand:
    """A measure (`count`, `sum:amount`, ...) of a row's related rows: 0 or missing where there are none."""
    asked = parse_measure(text)
    field = asked.field
    if field is None:
        counted = measured(scope, place, rows, "count", lambda _inner: sa.func.count())
        return Operand(sa.func.coalesce(counted, 0), "integer", joined=True)

    def build(inner: Scope) -> sa.ColumnElement[Any]:
        return _aggregate(asked.function, operand(inner, field).expression)

    label = f"{asked.function}_{field.replace('.', '_')}_{digest(field)}"
    value = measured(scope, place, rows, label, build)
    if asked.zero_without_rows:
        value = sa.func.coalesce(value, 0)
    of = operand(Scope(scope.statement, rows.link.model), field).type
    return Operand(value, measure_type(asked, of), joined=True)


def _aggregate(function: str, expression: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    match function:
        case "count_distinct":
            return sa.func.count(expression.distinct())
        case "sum":
            return sa.func.sum(expression)
        case "avg":
            return sa.func.avg(expression)
        case "min":
            return sa.func.min(expression)
    return sa.func.max(expression)

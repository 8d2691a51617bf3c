"""Fields as a list maps them: columns of a users model's table, of models it belongs to, and calculated ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.one_row import OneRow
from audience_assets.audiences.operands import operand
from audience_assets.audiences.scope import Join, Scope
from audience_assets.audiences.statement import MembershipTables, Statement, complete
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.fields import Fields
from audience_assets.project.project import Project
from audience_assets.warehouse.column_types import FIELD_TYPES
from audience_assets.warehouse.functions import SixDecimals


@dataclass(frozen=True)
class MappedUsers:
    """A users model's table, what the fields need LEFT JOINed to it, and an expression for each of them."""

    table: sa.FromClause
    joins: tuple[Join, ...]
    values: Mapping[str, sa.ColumnElement[Any]]

    def joined(self) -> sa.FromClause:
        """The FROM clause, one row a user."""
        clause = self.table
        for target, on in self.joins:
            clause = clause.outerjoin(target, on)
        return clause


def joined_fields(project: Project, activation: EffectiveActivation) -> list[str]:
    """The mapped fields that are no columns of the users model: calculated, or of a model it belongs to."""
    mapping = activation.mapping
    every = [*mapping.identifiers.values(), *mapping.fields.values(), *([mapping.region] if mapping.region else [])]
    known = project.settings.calculated_fields.get(activation.model, {})
    return [field for field in dict.fromkeys(every) if "." in field or field in known]


def is_calculated(project: Project, model: str, path: str) -> bool:
    """Whether a field is calculated, of the model or dotted over relationships."""
    owner, field = Fields(project.settings).owner(model, path) or (model, path)
    return field in project.settings.calculated_fields.get(owner, {})


def mapped_users(
    project: Project,
    model: str,
    fields: Collection[str],
    as_of: datetime,
    state: MembershipTables,
    one_row: OneRow | None = None,
) -> MappedUsers:
    """The model with these fields. Windows of calculated ones end at `as_of`; without any there is no join.

    `one_row` says which rows of joined models count, where one user may have several.
    """
    catalogue = Catalogue(project.settings)
    calculated = {field for field in fields if is_calculated(project, model, field)}
    if not calculated and not any("." in field for field in fields):
        table = catalogue.table(model)
        return MappedUsers(table, (), {field: table.c[field] for field in fields})
    statement = Statement(project, catalogue, as_of, state, one_row=one_row)

    def build() -> MappedUsers:
        users = Scope(statement, model)
        values = {field: _value(users, field, calculated=field in calculated) for field in fields}
        return MappedUsers(users.place.table, users.joins, values)

    return complete(build, statement)


def _value(users: Scope, field: str, *, calculated: bool) -> sa.ColumnElement[Any]:
    found = operand(users, field)
    if not calculated:
        return found.expression
    if found.type == "number":
        # The last digits of a sum depend on the order of its rows, and every difference is an update at the vendor.
        return SixDecimals(found.expression)
    return sa.type_coerce(found.expression, FIELD_TYPES[found.type])


def models_read(project: Project, *parts: sa.ClauseElement) -> list[str]:
    """The models whose tables occur in some SQL."""
    elements: Iterable[Any] = (element for part in parts for element in visitors.iterate(part))
    read = {element.fullname for element in elements if isinstance(element, sa.Table)}
    return [name for name, model in project.models.items() if model.table in read]

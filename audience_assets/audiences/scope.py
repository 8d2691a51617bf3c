"""One SELECT under construction: a model's table and what is joined to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.statement import Statement, short
from audience_assets.audiences.temporal import Clock
from audience_assets.project.links import Link
from audience_assets.project.models import FieldType


@dataclass(frozen=True, slots=True)
class Operand:
    """A value of the row at hand, with the declared type that decides how it is compared."""

    expression: sa.ColumnElement[Any]
    type: FieldType
    ignore_case: bool = False
    joined: bool = False  # not a column of the scope's own table


@dataclass(frozen=True, slots=True)
class Place:
    """A model's row within a scope: the scope's own, or one reached over belongs-to relationships."""

    model: str
    table: sa.FromClause


Join = tuple[sa.FromClause, sa.ColumnElement[bool]]


class Scope:
    """FROM one model, LEFT JOIN whatever its conditions need; every join keeps the number of rows."""

    def __init__(self, statement: Statement, model: str) -> None:
        self.statement = statement
        self.model = model
        self.place = Place(model, statement.catalogue.table(model).alias(model))
        self._joins: dict[str, Join] = {}

    @property
    def catalogue(self) -> Catalogue:
        return self.statement.catalogue

    @property
    def clock(self) -> Clock:
        """The run's time in the project's zone."""
        return Clock(self.statement.as_of, self.catalogue.settings.timezone)

    @property
    def key(self) -> sa.ColumnElement[Any]:
        """The key column of the scope's model."""
        return self.place.table.c[self.catalogue.settings.models[self.model].key]

    def join(self, target: sa.FromClause, on: sa.ColumnElement[bool], name: str) -> sa.FromClause:
        """LEFT JOIN `target`, once for each `name`; returns what was joined."""
        return self._joins.setdefault(name, (target, on))[0]

    @property
    def joins(self) -> tuple[Join, ...]:
        """What has been joined so far, in order, each with its condition."""
        return tuple(self._joins.values())

    def joined(self) -> sa.FromClause:
        """The FROM clause."""
        clause = self.place.table
        for target, on in self._joins.values():
            clause = clause.outerjoin(target, on)
        return clause

    def reach(self, path: str) -> tuple[Place, str]:
        """Follow a dotted path's belongs-to relationships: the row it ends at, and the field's name there."""
        place = self.place
        *hops, field = path.split(".")
        for number, hop in enumerate(hops, start=1):
            link = self.catalogue.to_one(place.model, hop)
            name = short("__".join([self.model, *hops[:number]]))
            table = self._rows(link, ".".join(hops[:number]), name)
            on = sa.and_(*(place.table.c[here] == table.c[there] for here, there in link.on))
            place = Place(link.model, self.join(table, on, name))
        return place, field

    def _rows(self, link: Link, path: str, name: str) -> sa.FromClause:
        """The rows of a model that is joined: all, or those that count."""
        if self.statement.one_row is None:
            return self.catalogue.table(link.model).alias(name)
        keys = [there for _, there in link.on]
        return self.statement.one_row.rows(self.catalogue, link.model, keys, path, name)

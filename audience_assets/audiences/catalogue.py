"""The declared models as tables: what conditions may refer to, and the only place names in SQL come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from audience_assets.project.models import FieldType, Relationship
from audience_assets.project.project import ProjectFile
from audience_assets.warehouse.column_types import FIELD_TYPES


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship seen from one of its two models. `on` pairs a field here with a field of `model`."""

    model: str
    on: tuple[tuple[str, str], ...]
    name: str | None
    to_many: bool


class Catalogue:
    """Tables of a project's models, declared and never reflected. Columns are known by their field's name."""

    def __init__(self, settings: ProjectFile) -> None:
        self.settings = settings
        self._tables: dict[str, sa.Table] = {}

    def table(self, model: str) -> sa.Table:
        """The model's table, with its declared fields, its key and the fields that its relationships join on."""
        if model not in self._tables:
            declared = self.settings.models[model]
            schema, _, name = declared.table.rpartition(".")
            columns: list[sa.Column[Any]] = []
            for field in self._field_names(model):
                known = declared.fields.get(field)
                column = known.column if known and known.column else field
                columns.append(sa.Column(column, FIELD_TYPES[self.field_type(model, field)], key=field))
            # A MetaData of its own, because two models may read one table.
            self._tables[model] = sa.Table(name, sa.MetaData(), *columns, schema=schema or None)
        return self._tables[model]

    def field_type(self, model: str, field: str) -> FieldType:
        """The declared type; a key has the key's type and a field that is only joined on that of its other end."""
        declared = self.settings.models[model]
        if field == declared.key:
            return declared.key_type
        if field in declared.fields:
            return declared.fields[field].type
        if field == declared.timestamp:
            return "timestamp"
        return self._joined_type(model, field)

    def links(self, model: str) -> list[Link]:
        """Relationships of a model, also those declared from the other side."""
        return [link for start, link in self._links if start == model]

    def to_many(self, model: str, name: str) -> Link:
        """The has-many relationship from `model` that `name` means: its own name or the other model's."""
        return next(link for link in self.links(model) if link.to_many and name in (link.name, link.model))

    def to_one(self, model: str, name: str) -> Link:
        """The belongs-to relationship that a dotted path's first part means."""
        return next(
            link
            for link in self.links(model)
            if not link.to_many and name in (link.name, link.model, singular(link.model))
        )

    def consent_link(self, model: str) -> Link:
        """The relationship from a users model to its consent events."""
        return next(
            link for link in self.links(model) if link.to_many and self.settings.models[link.model].role == "consent"
        )

    def _field_names(self, model: str) -> list[str]:
        declared = self.settings.models[model]
        names = [declared.key, *declared.fields]
        names += [name for name in (declared.timestamp, declared.watermark) if name]
        names += [here for link in self.links(model) for here, _ in link.on]
        return list(dict.fromkeys(names))

    def _joined_type(self, model: str, field: str) -> FieldType:
        for link in self.links(model):
            for here, there in link.on:
                other = self.settings.models[link.model]
                if here == field and there == other.key:
                    return other.key_type
                if here == field and there in other.fields:
                    return other.fields[there].type
        return "text"

    @cached_property
    def _links(self) -> list[tuple[str, Link]]:
        return [side for relationship in self.settings.relationships for side in _sides(relationship)]


def _sides(relationship: Relationship) -> list[tuple[str, Link]]:
    on = tuple(relationship.on.items())
    back = tuple((there, here) for here, there in on)
    to_many = relationship.kind == "has_many"
    return [
        (relationship.from_, Link(relationship.to, on, relationship.name, to_many)),
        (relationship.to, Link(relationship.from_, back, None, not to_many)),
    ]


def singular(name: str) -> str:
    """`products` -> `product`, `categories` -> `category`."""
    return name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s")

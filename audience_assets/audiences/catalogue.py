"""The declared models as tables: what conditions may refer to, and the only place names in SQL come from."""

from __future__ import annotations

from functools import lru_cache

import sqlalchemy as sa

from audience_assets.project.fields import Fields
from audience_assets.project.links import Link, called, links_from
from audience_assets.project.models import FieldType
from audience_assets.project.places import Place
from audience_assets.project.project import ProjectFile
from audience_assets.warehouse.column_types import FIELD_TYPES


class Catalogue:
    """Tables of a project's models, declared and never reflected. Columns are known by their field's name."""

    def __init__(self, settings: ProjectFile) -> None:
        self.settings = settings
        self._fields = Fields(settings)
        self._tables: dict[str, sa.Table] = {}

    def table(self, model: str) -> sa.Table:
        """The model's table, with its declared fields, its key and the fields that its relationships join on."""
        if model not in self._tables:
            declared = self.settings.models[model]
            columns: list[tuple[str, str, FieldType]] = []
            for field in self._field_names(model):
                known = declared.fields.get(field)
                column = known.column if known and known.column else field
                columns.append((field, column, self.field_type(model, field)))
            self._tables[model] = _declare(model, declared.table, tuple(columns))
        return self._tables[model]

    def field_type(self, model: str, field: str) -> FieldType:
        """The type of a column: declared, or implied by a key, a timestamp or a relationship."""
        return self._fields.plain_type(model, field) or "text"

    def type_of(self, model: str, path: str) -> FieldType:
        """The type of a field, plain or calculated, of the model or dotted over belongs-to relationships."""
        return self._fields.resolve(model, path, Place.nowhere()) or "text"

    def links(self, model: str) -> list[Link]:
        """Relationships of a model, also those declared from the other side."""
        return links_from(self.settings.relationships, model)

    def to_many(self, model: str, name: str) -> Link:
        """The has-many relationship from `model` that `name` means: its own name or the other model's."""
        return called(self.links(model), name, to_many=True)[0]

    def to_one(self, model: str, name: str) -> Link:
        """The belongs-to relationship that a dotted path's first part means."""
        return called(self.links(model), name, to_many=False)[0]

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


@lru_cache(maxsize=1000)
def _declare(model: str, table: str, columns: tuple[tuple[str, str, FieldType], ...]) -> sa.Table:
    """The same declaration is the same object: a statement's SQL is kept for the tables it was compiled with.

    But two models may read one table, in one statement.
    """
    del model
    schema, _, name = table.rpartition(".")
    # A MetaData of its own, so that they may do so under one name.
    declared = [sa.Column(column, FIELD_TYPES[kind], key=field) for field, column, kind in columns]
    return sa.Table(name, sa.MetaData(), *declared, schema=schema or None)

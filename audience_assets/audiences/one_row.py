"""Several rows of a joined model for one key: which of them count, always the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.catalogue import Catalogue

# A joined table -> what tells its rows of one key apart.
Apart = Callable[[sa.FromClause], sa.ColumnElement[Any]]
_PLACE = "place_in_line"


@dataclass(frozen=True)
class OneRow:
    """Keeps of each joined model the first row of a key: the newest by its timestamp, where it has one, else by values.

    Of a model whose dotted path is in `apart`, the first of each key and what it says.
    """

    apart: Mapping[str, Apart] = field(default_factory=dict)

    def rows(self, catalogue: Catalogue, model: str, keys: Sequence[str], path: str, name: str) -> sa.Subquery:
        """The rows that count, with all columns. `keys` are what the model is joined by, `path` how it is reached."""
        table = catalogue.table(model)
        told_apart: list[sa.ColumnElement[Any]] = [table.c[key] for key in keys]
        if path in self.apart:
            told_apart.append(self.apart[path](table))
        place = sa.func.row_number().over(partition_by=told_apart, order_by=_order(catalogue, model, table))
        placed = sa.select(*(column.label(column.key) for column in table.c), place.label(_PLACE)).subquery(
            f"{name}_all"
        )
        kept = [column for column in placed.c if column.key != _PLACE]
        return sa.select(*kept).where(placed.c[_PLACE] == 1).subquery(name)


def _order(catalogue: Catalogue, model: str, table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """A total order, as far as rows differ in what is declared of them; what is missing comes last."""
    timestamp = catalogue.settings.models[model].timestamp
    names = [column.key for column in table.c if catalogue.field_type(model, column.key) != "list"]
    order: list[sa.ColumnElement[Any]] = []
    for name in dict.fromkeys([*([timestamp] if timestamp else []), *names]):
        column = table.c[name]
        order += [sa.case((column.is_(None), 1), else_=0), column.desc() if name == timestamp else column]
    return order

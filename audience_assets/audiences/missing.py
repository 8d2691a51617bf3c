"""When a query fails: which model's table or column is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.errors import WarehouseError
from audience_assets.project.project import Project


@contextmanager
def explain_missing(engine: Engine, project: Project) -> Iterator[None]:
    """Turn the database's error into a WarehouseError that names the model and field, where that is the cause."""
    try:
        yield
    except DBAPIError as error:
        lacking = missing(engine, project)
        if not lacking:
            raise
        raise WarehouseError("\n".join(lacking)) from error


def missing(engine: Engine, project: Project) -> list[str]:
    """One sentence for every table and column that a model names and the warehouse has not, or hides from us.

    The tables are asked, not the database's own catalogue: that works for views, other schemas and every dialect.
    """
    catalogue = Catalogue(project.settings)
    found: list[str] = []
    for model in project.models:
        table = catalogue.table(model)
        if _readable(engine, sa.select(table)):
            continue
        if not _readable(engine, sa.select(sa.literal_column("1")).select_from(table)):
            found.append(f"model {model}: the warehouse has no readable table {project.models[model].table!r}")
            continue
        found += [
            f"model {model}: field {column.key!r} needs a column {column.name!r}, which "
            f"{project.models[model].table!r} has not"
            for column in table.columns
            if not _readable(engine, sa.select(column))
        ]
    return found


def _readable(engine: Engine, query: sa.Select[tuple[object]]) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(query.where(sa.false())).all()
    except DBAPIError:
        return False
    return True

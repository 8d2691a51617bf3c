"""Has a source table changed since it was last looked at?"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.missing import explain_missing
from audience_assets.project.project import Project


def source_version(engine: Engine, project: Project, model: str) -> str:
    """A text that changes when the model's table does: its newest watermark (or timestamp) and its row count.

    One query, a single pass at most: Postgres and SQLite read an index on the watermark for the maximum but
    count the rows (about 0.1 s a million), columnar warehouses answer from their metadata. A row that is changed
    without a newer watermark, or replaced by another in a model without one, is not seen. Raises WarehouseError.
    """
    table = Catalogue(project.settings).table(model)
    declared = project.models[model]
    marker = declared.watermark or declared.timestamp
    newest: sa.ColumnElement[Any] = sa.null() if marker is None else sa.func.max(table.c[marker])
    query = sa.select(sa.cast(newest, sa.String), sa.func.count()).select_from(table)
    with explain_missing(engine, project), engine.connect() as connection:
        mark, count = connection.execute(query).one()
    return f"{count}" if mark is None else f"{mark}|{count}"

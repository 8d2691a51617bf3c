"""Some members of a segment, without their personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.compiler import compile_segment
from audience_assets.audiences.definition import all_nodes
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.stored import expect_read
from audience_assets.audiences.uploaded import load_uploaded_lists, uploaded_lists
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State

REDACTED = "[redacted]"


def preview(
    engine: Engine, state: State, project: Project, name: str, as_of: datetime, *, limit: int = 20
) -> list[dict[str, Any]]:
    """The first members by key as the definition finds them now: field -> value; no member is stored.

    Values of fields marked `pii` are replaced in the warehouse and never read. Raises WarehouseError.
    """
    load_uploaded_lists(engine, state, project, uploaded_lists(project, name))
    model = project.users_model(name)
    declared = project.models[model]
    table = Catalogue(project.settings).table(model)
    members = compile_segment(project, name, as_of, state=state).cte("cte_members")
    columns = [
        _shown(table.c[field], redact=field in declared.fields and declared.fields[field].pii).label(field)
        for field in dict.fromkeys([declared.key, *declared.fields])
    ]
    joined = members.join(table, table.c[declared.key] == members.c.user_key)
    query = sa.select(*columns).select_from(joined).order_by(members.c.user_key).limit(limit)
    with explain_missing(engine, project), engine.connect() as connection:
        expect_read(connection, state, project, model, all_nodes(project, name))
        expect_large_joins(connection)
        return [dict(row) for row in connection.execute(query).mappings()]


def _shown(column: sa.ColumnElement[Any], *, redact: bool) -> sa.ColumnElement[Any]:
    return sa.case((column.is_not(None), REDACTED)) if redact else column

"""The rows of a model that count, wherever the model is used."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from audience_assets.audiences import compiler  # noqa: F401 - registers what conditions become
from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.predicates import base_conditions
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import MembershipTables, Statement
from audience_assets.project.project import Project


def counted_rows(project: Project, model: str, as_of: datetime, state: MembershipTables) -> sa.FromClause:
    """The model's table, or what its base filter lets through of it, with the fields as columns."""
    catalogue = Catalogue(project.settings)
    rows = Scope(Statement(project, catalogue, as_of, state), model)
    conditions = base_conditions(rows)
    if not conditions:
        return catalogue.table(model)
    return sa.select(*rows.place.table.c).select_from(rows.joined()).where(*conditions).subquery(model)

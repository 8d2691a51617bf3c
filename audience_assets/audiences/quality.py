"""How usable a computed segment is: its share of everybody, and what its members' identifiers look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.mapped import mapped_users
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.predicates import base_conditions
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import Statement
from audience_assets.audiences.validity import LOOKS_VALID
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State

# How an identifier's plausibility is told; others are only counted as present and unique.
VALIDITY = {"email": "email"}


@dataclass(frozen=True, slots=True)
class IdentifierQuality:
    """Members of a segment by what one identifier column holds for them; `repeated` share another member's."""

    identifier: str
    field: str
    members: int
    missing: int
    malformed: int
    repeated: int

    @property
    def unusable_percent(self) -> float:
        """Members who are not reached by this identifier, or only together with somebody else."""
        unusable = self.missing + self.malformed + self.repeated
        return 100 * unusable / self.members if self.members else 0.0


def count_users(engine: Engine, state: State, project: Project, segment: str, as_of: datetime) -> int:
    """Everybody in the segment's users model, its base filter applied."""
    statement = Statement(project, Catalogue(project.settings), as_of, state)
    users = Scope(statement, project.users_model(segment))
    conditions = base_conditions(users)
    query = sa.select(sa.func.count()).select_from(users.joined()).where(*conditions)
    with explain_missing(engine, project), engine.connect() as connection:
        return int(connection.scalar(query) or 0)


def identifier_quality(
    engine: Engine, state: State, project: Project, segment: str, identifiers: Mapping[str, str]
) -> list[IdentifierQuality]:
    """For each mapped identifier (kind -> field of the users model) what the segment's members have. One scan."""
    model = project.users_model(segment)
    declared = project.models[model]
    mapped = mapped_users(project, model, {declared.key, *identifiers.values()}, datetime.now(UTC), state)
    members = state.segment(segment, declared.key_type)
    columns: list[sa.ColumnElement[int]] = [sa.func.count().label("members")]
    for number, (kind, field) in enumerate(identifiers.items()):
        columns += _counts(number, kind, mapped.values[field])
    joined = members.join(mapped.table, mapped.values[declared.key] == members.c.user_key)
    for target, on in mapped.joins:
        joined = joined.outerjoin(target, on)
    with explain_missing(engine, project), engine.connect() as connection:
        row = connection.execute(sa.select(*columns).select_from(joined)).one()
    return [_quality(row, number, kind, field) for number, (kind, field) in enumerate(identifiers.items())]


def _counts(number: int, kind: str, column: sa.ColumnElement[str]) -> list[sa.ColumnElement[int]]:
    text = sa.func.nullif(sa.func.lower(sa.func.trim(sa.cast(column, sa.String))), "")
    plausible = LOOKS_VALID[VALIDITY[kind]](text) if kind in VALIDITY else text.is_not(None)
    usable = sa.case((plausible, text))
    return [
        sa.func.count(text).label(f"present_{number}"),
        sa.func.count(usable).label(f"usable_{number}"),
        sa.func.count(usable.distinct()).label(f"distinct_{number}"),
    ]


def _quality(row: Any, number: int, kind: str, field: str) -> IdentifierQuality:
    present, usable, distinct = (getattr(row, f"{part}_{number}") for part in ("present", "usable", "distinct"))
    return IdentifierQuality(
        identifier=kind,
        field=field,
        members=row.members,
        missing=row.members - present,
        malformed=present - usable,
        repeated=usable - distinct,
    )

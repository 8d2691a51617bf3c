"""What a segment is worth knowing for before it is sent anywhere: size, reach, value, waterfall, breakdowns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences import insight_queries as queries
from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import Statement, complete
from audience_assets.audiences.stored import expect_computed, segments_read
from audience_assets.project.conditions import All, Condition
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State


@dataclass(frozen=True, slots=True)
class Reach:
    """Members who can be reached on a channel; each number is part of the one before it.

    `valid` and `consented` equal the number before where the channel asks for no such thing.
    """

    identified: int
    valid: int
    consented: int


@dataclass(frozen=True)
class Value:
    """Sum of the value field over all time. Percentiles are of members with a value above zero."""

    total: float
    per_member: float
    spenders: int
    percentiles: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Step:
    """A top-level condition: users who hold it alone, and who hold it and all before it."""

    condition: Condition
    alone: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Share:
    """How often a value occurs among the members and among everybody."""

    label: str  # the value, "(missing)" or "(other)"
    members: int
    users: int


@dataclass(frozen=True)
class SegmentInsights:
    """Sizes are numbers of users; `active` have a row of the value model within the window."""

    segment: str
    as_of: datetime
    size: int
    users: int
    active: int | None
    reach: Mapping[str, Reach]
    any_channel: int | None  # members who can be reached on at least one channel
    value: Value | None
    waterfall: list[Step]
    breakdowns: Mapping[str, list[Share]]

    @property
    def share(self) -> float:
        """Part of all users, 0 to 1."""
        return self.size / self.users if self.users else 0.0


def segment_insights(engine: Engine, state: State, project: Project, name: str, as_of: datetime) -> SegmentInsights:
    """Insights of a segment's members as of its last refresh; windows end at `as_of`. One scan of the users a query.

    Raises WarehouseError when the segment was never computed, or the warehouse lacks something.
    """
    settings = project.settings.insights
    with explain_missing(engine, project), engine.connect() as connection:
        expect_large_joins(connection)
        expect_computed(connection, state, project, [name, *segments_read(project, name)])
        source = _Source(connection, state, project, name, as_of)
        [counts] = source.rows(queries.counts)
        return SegmentInsights(
            segment=name,
            as_of=as_of,
            size=counts.size,
            users=counts.users,
            active=counts.active,
            reach={
                channel: Reach(*(getattr(counts, f"{part}_{number}") for part in queries.REACH))
                for number, channel in enumerate(settings.channels)
            },
            any_channel=counts.any_channel,
            value=_value(source, counts.size) if settings.value_field else None,
            waterfall=_waterfall(source),
            breakdowns={field: _breakdown(source, field, counts) for field in _shown(project, name)},
        )


@dataclass(frozen=True)
class _Source:
    """Runs queries over everybody, with who is a member."""

    connection: Connection
    state: State
    project: Project
    name: str
    as_of: datetime

    def rows(self, build: Callable[[Scope, sa.ColumnElement[bool]], sa.Select[Any]]) -> Sequence[sa.Row[Any]]:
        project, model = self.project, self.project.users_model(self.name)
        members = self.state.segment(self.name, project.models[model].key_type)
        statement = Statement(project, Catalogue(project.settings), self.as_of, self.state)

        def built() -> sa.Select[Any]:
            users = Scope(statement, model)
            joined = users.join(members, users.key == members.c.user_key, "members")
            return build(users, joined.c.user_key.is_not(None))

        return self.connection.execute(complete(built, statement)).all()


def _value(source: _Source, size: int) -> Value:
    [row] = source.rows(queries.values)
    total = float(row.total or 0)
    percentiles = {
        percent: float(getattr(row, f"p{percent}"))
        for percent in queries.PERCENTILES
        if getattr(row, f"p{percent}") is not None
    }
    return Value(total, total / size if size else 0.0, row.spenders or 0, percentiles)


def _waterfall(source: _Source) -> list[Step]:
    where = source.project.segments[source.name].where
    conditions = where.all if isinstance(where, All) else [where] if where else []
    if not conditions:
        return []
    [row] = source.rows(lambda users, _: queries.waterfall(users, conditions))
    return [
        Step(condition, getattr(row, f"alone_{number}"), getattr(row, f"remaining_{number}"))
        for number, condition in enumerate(conditions)
    ]


def _shown(project: Project, name: str) -> list[str]:
    """Fields to break down by; values of personal data are not shown."""
    fields = project.models[project.users_model(name)].fields
    return [field for field in project.settings.insights.breakdowns if not (field in fields and fields[field].pii)]


def _breakdown(source: _Source, field: str, counts: sa.Row[Any]) -> list[Share]:
    rows = source.rows(lambda users, member: queries.breakdown(users, member, field))
    shares = [Share("(missing)" if row.value is None else str(row.value), row.members, row.users) for row in rows]
    members = counts.size - sum(share.members for share in shares)
    users = counts.users - sum(share.users for share in shares)
    return [*shares, Share("(other)", members, users)] if users else shares

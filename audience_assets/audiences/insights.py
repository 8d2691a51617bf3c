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
from audience_assets.audiences.definition import all_nodes
from audience_assets.audiences.insight_values import (
    MISSING,
    OTHER,
    ListReach,
    Reach,
    RevenueTree,
    SegmentInsights,
    Share,
    Step,
    Value,
)
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import Statement, complete
from audience_assets.audiences.stored import expect_computed, expect_read
from audience_assets.project.conditions import All
from audience_assets.project.needs import Needs
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State


def segment_insights(
    engine: Engine,
    state: State,
    project: Project,
    name: str,
    as_of: datetime,
    lists: Mapping[str, Needs] | None = None,
) -> SegmentInsights:
    """Insights of a segment's members as of its last refresh; windows end at `as_of`. One scan of the users a query.

    Also of a campaign's treatment group, `campaign.sub_audience.group`, which has no conditions and so no waterfall.
    `lists` are what lists need that are of interest, by name (`audience_needs`).

    Raises WarehouseError when the segment was never computed, or the warehouse lacks something.
    """
    settings = project.settings.insights
    lists = lists or {}
    with explain_missing(engine, project), engine.connect() as connection:
        expect_large_joins(connection)
        expect_computed(connection, state, project, [name])
        if name in project.segments:
            expect_read(connection, state, project, project.users_model(name), all_nodes(project, name))
        source = _Source(connection, state, project, name, as_of)
        [counts] = source.rows(lambda users, member: queries.counts(users, member, list(lists.values())))
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
            lists={
                each: ListReach(
                    needs.destination, getattr(counts, f"reached_{number}"), getattr(counts, f"complete_{number}")
                )
                for number, (each, needs) in enumerate(lists.items())
            },
            value=_value(source, counts.size) if settings.value_field else None,
            revenue=_revenue(counts) if settings.value_field else None,
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


def _revenue(counts: sa.Row[Any]) -> RevenueTree:
    items = None if counts.items is None else float(counts.items)
    return RevenueTree(int(counts.active), int(counts.orders), float(counts.revenue), items)


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
    segment = source.project.segments.get(source.name)
    where = segment.where if segment is not None else None
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
    """The most frequent values; those of fewer members than the privacy floor are among the others."""
    rows = source.rows(lambda users, member: queries.breakdown(users, member, field))
    floor = source.project.settings.insights.privacy_floor

    def share(label: str, members: int, users: int) -> Share:
        return Share(label, members, users, members / counts.size if counts.size else 0.0, users / counts.users)

    known = [row for row in rows if row.value is not None][: queries.TOP_VALUES]
    shares = [share(str(row.value), row.members, row.users) for row in known if not 0 < row.members < floor]
    shares += [share(MISSING, row.members, row.users) for row in rows if row.value is None]
    members = counts.size - sum(each.members for each in shares)
    users = counts.users - sum(each.users for each in shares)
    return [*shares, share(OTHER, members, users)] if users else shares

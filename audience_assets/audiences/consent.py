"""Conditions on consent: what the newest consent event of a channel says."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.grouped import row_conditions
from audience_assets.audiences.operands import operand
from audience_assets.audiences.predicates import holds, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import digest
from audience_assets.audiences.temporal import within
from audience_assets.project.conditions import Consent, FieldCondition
from audience_assets.project.links import Link
from audience_assets.project.times import window_bounds
from audience_assets.warehouse.functions import UnicodeLower
from audience_assets.warehouse.moments import spelled_alike


@predicate.register
def _(node: Consent, scope: Scope) -> sa.ColumnElement[bool]:
    wanted = node.consent
    latest = latest_consent(scope, wanted.channel)
    says = status_is(scope, latest, wanted.status)
    if wanted.at is None:
        return says
    clock = scope.clock
    bounds = window_bounds(wanted.at, clock.as_of, clock.timezone)
    events = scope.catalogue.consent_link(scope.model).model
    kind = scope.catalogue.field_type(events, scope.catalogue.settings.models[events].timestamp or "")
    return sa.and_(says, holds(within(latest.c.newest_at, kind, bounds, clock)))


def latest_consent(scope: Scope, channel: str) -> sa.FromClause:
    """One row a user: `low` and `high` status of the newest events, and the time they happened.

    They are one event for most. Where several share the newest time and contradict each other, no status is
    certain, and `low` and `high` differ.
    """
    link = scope.catalogue.consent_link(scope.model)
    name = f"consent_{digest(link.model, channel)}"
    cte = scope.statement.cte(name, lambda: _latest(scope, link, channel))
    on = [scope.place.table.c[here] == cte.c[f"k{number}"] for number, (here, _) in enumerate(link.on)]
    return scope.join(cte, sa.and_(*on), name)


def status_is(scope: Scope, latest: sa.FromClause, status: str) -> sa.ColumnElement[bool]:
    """The newest events agree on this status."""
    link = scope.catalogue.consent_link(scope.model)
    value: sa.ColumnElement[Any] = sa.literal(status, sa.String())
    if scope.catalogue.settings.models[link.model].fields["status"].ignore_case:
        value = UnicodeLower(value)
    return holds(sa.and_(latest.c.low == value, latest.c.high == value))


def _latest(scope: Scope, link: Link, channel: str) -> sa.Select[Any]:
    events = Scope(scope.statement, link.model)
    model = scope.catalogue.settings.models[link.model]
    time = operand(events, model.timestamp or "")
    status = operand(events, "status")
    folded = UnicodeLower(status.expression) if status.ignore_case else status.expression
    keys = [events.place.table.c[there] for _, there in link.on]
    newest_first = spelled_alike(time.expression, time.type).desc()
    ranked = (
        sa.select(
            *(key.label(f"k{number}") for number, key in enumerate(keys)),
            # A missing status is a status of its own: it must not let an older or equal one speak.
            sa.func.coalesce(folded, "").label("status"),
            time.expression.label("event_at"),
            sa.func.rank().over(partition_by=keys, order_by=newest_first).label("age"),
        )
        .where(*(key.is_not(None) for key in keys), time.expression.is_not(None))
        .where(*row_conditions(events, (None, scope.clock.as_of)))
        .where(predicate(FieldCondition(field="channel", op="is", value=channel), events))
    )
    events_by_age = ranked.select_from(events.joined()).subquery("ranked")
    key_columns = [events_by_age.c[f"k{number}"] for number in range(len(keys))]
    return (
        sa.select(
            *key_columns,
            sa.func.min(events_by_age.c.status).label("low"),
            sa.func.max(events_by_age.c.status).label("high"),
            sa.func.max(events_by_age.c.event_at).label("newest_at"),
        )
        .where(events_by_age.c.age == 1)
        .group_by(*key_columns)
    )

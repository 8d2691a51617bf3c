"""Conditions on campaigns: who was a recipient in one of their treatment groups. Never who was in a control."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.predicates import holds, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import digest
from audience_assets.project.conditions import Condition, Received
from audience_assets.project.project import Project
from audience_assets.project.times import ago
from audience_assets.warehouse.column_types import UtcDateTime


@predicate.register
def _(node: Received, scope: Scope) -> sa.ColumnElement[bool]:
    spec = node.received
    names = [spec.campaign] if spec.campaign else campaigns_for(scope.statement.project, scope.model)
    received = [_received(scope, name, spec.within) for name in names]
    if spec.at_least == 1 or len(received) < spec.at_least:
        return sa.or_(sa.false(), *(received if spec.at_least == 1 else ()))
    counted: sa.ColumnElement[int] = sa.literal_column("0", sa.Integer())
    for each in received:
        counted = counted + sa.case((each, 1), else_=0)
    return counted >= spec.at_least


def campaigns_for(project: Project, model: str) -> list[str]:
    """The campaigns for a users model."""
    return [name for name in project.campaigns if project.campaign_model(name) == model]


def campaigns_read(project: Project, model: str, conditions: Iterable[Condition]) -> list[str]:
    """Campaigns whose recipients these conditions about a users model read."""
    asked = [node.received.campaign for node in conditions if isinstance(node, Received)]
    return sorted({name for each in asked for name in ([each] if each else campaigns_for(project, model))})


def _received(scope: Scope, campaign: str, within: str | None) -> sa.ColumnElement[bool]:
    name = f"received_{campaign}_{digest(within)}"
    keys = scope.statement.cte(name, lambda: _keys(scope, campaign, within))
    joined = scope.join(keys, scope.key == keys.c.user_key, name)
    return holds(joined.c.user_key.is_not(None))


def _keys(scope: Scope, campaign: str, within: str | None) -> sa.Select[Any]:
    """Whoever is a recipient now was seen by the newest run, whoever left when the ledger says.

    Up to and including this run's time, as other campaigns may have been computed with it. A campaign that asks for its
    own recipients sees those of its earlier runs, so that computing it again changes nothing.
    """
    state, model = scope.statement.state, scope.catalogue.settings.models[scope.model]
    run = state.campaign_run.alias(f"run_{campaign}")
    now = sa.literal(scope.clock.as_of, UtcDateTime())
    own = scope.statement.computing == campaign
    newest = sa.select(sa.func.max(run.c.as_of).label("as_of")).where(
        run.c.campaign == campaign, run.c.as_of < now if own else run.c.as_of <= now
    )
    last = newest.subquery(f"newest_{campaign}")
    present = state.recipient(campaign, model.key_type).alias(f"recipient_{campaign}")
    former = state.assignment(campaign, model.key_type).alias(f"assignment_{campaign}")
    start = None if within is None else ago(within, scope.clock.as_of, scope.clock.timezone)
    there = sa.select(present.c.user_key).select_from(present.join(last, present.c.since <= last.c.as_of))
    there = there.where(present.c.is_control.is_(sa.false()), *_since(last.c.as_of, start))
    seen = former.c.last_seen_at
    gone = sa.select(former.c.user_key).where(former.c.is_control.is_(sa.false()), seen.is_not(None))
    gone = gone.where(seen < now if own else seen <= now, *_since(seen, start))
    return sa.select(sa.union_all(there, gone).subquery(f"any_{campaign}").c.user_key).distinct()


def _since(column: sa.ColumnElement[Any], start: Any) -> Iterator[sa.ColumnElement[bool]]:
    if start is not None:
        yield column >= sa.literal(start, UtcDateTime())

"""A campaign's delivery as one picture: what became of each treatment group at each destination, counts only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.project.activations import EffectiveActivation
from audience_assets.sync.diff import REJECTED, UNSURE
from audience_assets.sync.history import PLANNED
from audience_assets.sync.reach import Reach
from audience_assets.warehouse.state import State

if TYPE_CHECKING:
    from audience_assets.runtime import Runtime

DELIVERED, PARTIAL, STOPPED, FAILED, UNFINISHED = "delivered", "partial", "stopped by a guard", "failed", "not finished"
NOT_YET = "not yet"
# What stands in the row of a sync.
_STATES = {"delivered": DELIVERED, "unchanged": DELIVERED, "partial": PARTIAL, "blocked": STOPPED, "failed": FAILED}
# A list in one of these needs somebody.
BAD_STATES = frozenset({STOPPED, FAILED})


@dataclass(frozen=True)
class ListDelivery:
    """One treatment group at one destination.

    `reach` counts customers and what they shrink and expand by, as of the newest plan; its `rows` are in the list now.
    `state` is that of the newest delivery, begun at `at`: "delivered", "partial" (some rows are decided next time),
    "stopped by a guard", "failed", "not finished" or "not yet". `waiting` are rows that are to come.
    """

    activation: str
    sub_audience: str
    group: str
    destination: str
    list_name: str
    list_url: str | None
    state: str
    at: datetime | None
    error: str | None
    reach: Reach

    @property
    def waiting(self) -> int:
        reach = self.reach
        return max(reach.customers - reach.lost + reach.expansion - reach.rows, 0)


@dataclass(frozen=True)
class CampaignDelivery:
    """All lists of a campaign. One customer counts once for each list that they are for."""

    campaign: str
    lists: tuple[ListDelivery, ...]

    @property
    def total(self) -> Reach:
        shrink: dict[str, int] = {}
        for each in self.lists:
            for why, customers in each.reach.shrink.items():
                shrink[why] = shrink.get(why, 0) + customers
        reached = [each.reach for each in self.lists]
        return Reach(
            sum(each.customers for each in reached),
            sum(each.rows for each in reached),
            sum(each.expansion for each in reached),
            shrink,
        )

    def in_state(self, *states: str) -> int:
        """How many lists are in one of these states."""
        return sum(each.state in states for each in self.lists)


def campaign_delivery(runtime: Runtime, campaign: str) -> CampaignDelivery:
    """What became of each list of a campaign, from what earlier plans and deliveries left; nothing is counted anew."""
    lists = runtime.project.lists_of(campaign)
    with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
        state, names = runtime.state, [each.name for each in lists]
        begun = _newest(connection, state, names, state.sync.c.state != PLANNED)
        counted = _newest(connection, state, names, state.sync.c.reach.is_not(None))
        sizes = _sizes(connection, state, [each.audience for each in lists])
        found = [_Look(connection, runtime, begun, counted, sizes).at(each) for each in lists]
    return CampaignDelivery(campaign, tuple(found))


@dataclass(frozen=True)
class _Look:
    connection: Connection
    runtime: Runtime
    begun: Mapping[str, Any]
    counted: Mapping[str, Any]
    sizes: Mapping[str, int]

    def at(self, activation: EffectiveActivation) -> ListDelivery:
        name, state = activation.name, self.runtime.state
        audience = self.runtime.project.audience(activation.audience)
        registry = state.destination_list
        known = self.connection.execute(sa.select(registry).where(registry.c.activation == name)).first()
        counted, begun = self.counted.get(name), self.begun.get(name)
        customers = self.sizes.get(activation.audience, 0)
        reach = Reach.decoded(counted.reach) if counted else Reach(customers, 0, 0)
        return ListDelivery(
            activation=name,
            sub_audience=audience.sub_audience or "",
            group=audience.group or "",
            destination=activation.destination,
            list_name=(known.name if known else None) or activation.list_name,
            list_url=known.url if known else None,
            state=_STATES.get(begun.state, UNFINISHED) if begun else NOT_YET,
            at=begun.started_at if begun else None,
            error=begun.error if begun else None,
            reach=reach.with_vendor(
                json.loads(known.sizes) if known and known.sizes else {},
                _reasons(self.connection, state, name) if known else (),
            ),
        )


def _reasons(connection: Connection, state: State, activation: str) -> list[str]:
    """Why people were refused, the most frequent reason first.

    A number that was refused of somebody who is in the list all the same is a rejection too, and no shrink.
    """
    ledger = sa.table(
        state.table_name(f"list_{activation}"),
        sa.column("identifier"),
        sa.column("status"),
        schema=state.metadata.schema,
    )
    if not sa.inspect(connection).has_table(ledger.name, schema=ledger.schema):
        return []
    rejection = state.rejection
    refused = sa.select(ledger.c.identifier).where(ledger.c.status.in_((REJECTED, UNSURE)))
    query = (
        sa.select(rejection.c.reason)
        .where(rejection.c.activation == activation, rejection.c.identifier.in_(refused))
        .group_by(rejection.c.reason)
        .order_by(sa.func.count().desc(), rejection.c.reason)
    )
    return list(connection.scalars(query))


def _newest(
    connection: Connection, state: State, names: Iterable[str], which: sa.ColumnElement[bool]
) -> dict[str, Any]:
    """Activation -> the newest of its syncs that are `which`."""
    sync = state.sync
    newest = sa.select(sa.func.max(sync.c.id)).where(sync.c.activation.in_(list(names)), which)
    rows = connection.execute(sa.select(sync).where(sync.c.id.in_(newest.group_by(sync.c.activation))))
    return {row.activation: row for row in rows}


def _sizes(connection: Connection, state: State, audiences: Iterable[str]) -> dict[str, int]:
    """Audience -> members, as of its newest computation."""
    run = state.segment_run
    newest = sa.select(sa.func.max(run.c.id)).where(run.c.segment.in_(list(audiences))).group_by(run.c.segment)
    rows = connection.execute(sa.select(run.c.segment, run.c.size).where(run.c.id.in_(newest)))
    return {row.segment: row.size for row in rows}

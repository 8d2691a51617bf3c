"""Finishing what an interrupted sync left, before anything else looks at the ledger."""

from __future__ import annotations

import json

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.sync.acknowledge import Journal
from audience_assets.sync.diff import IN_LIST
from audience_assets.sync.lease import Lease
from audience_assets.sync.merge import merge
from audience_assets.sync.plan import Planner
from audience_assets.warehouse.state import ListTables

PLANNING, DELIVERING, FAILED = "planning", "delivering", "failed"
UNFINISHED = (PLANNING, DELIVERING)


def journal_of(planner: Planner, tables: ListTables, sync: str, destination: str | None = None) -> Journal:
    """The durable record of one sync of the planner's list, of an earlier one maybe at another destination."""
    runtime = planner.runtime
    destination = destination or planner.activation.destination
    return Journal(runtime.state, tables, planner.numbering, sync, planner.name, destination, runtime.now)


def recover(planner: Planner, tables: ListTables, lease: Lease) -> int:
    """Merge an interrupted sync's answers and leave its open batches to the next plan.

    Returns how many members that leaves in doubt.
    """
    runtime, sync, registry = planner.runtime, planner.runtime.state.sync, planner.runtime.state.destination_list
    with runtime.engine.begin() as connection:
        lease.assert_held(connection)
        where = connection.scalar(sa.select(registry.c.destination).where(registry.c.activation == planner.name))
        query = sa.select(sync.c.id).where(sync.c.activation == planner.name, sync.c.state.in_(UNFINISHED))
        opened = 0
        for unfinished in list(connection.scalars(query)):
            opened += journal_of(planner, tables, unfinished, where).leave_open(connection)
            merge_answers(connection, planner, tables, unfinished)
            connection.execute(
                sync.update()
                .where(sync.c.id == unfinished)
                .values(state=FAILED, ended_at=runtime.now(), error="interrupted")
            )
    return opened


def merge_answers(
    connection: Connection, planner: Planner, tables: ListTables, sync: str
) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Take what was answered into the ledger: answers by operation and status, and the ledger's sizes after them."""
    if not connection.scalar(sa.select(sa.exists().select_from(tables.change))):
        return {}, planner.known_sizes(connection, tables)
    answers = merge(connection, journal_of(planner, tables, sync))
    sizes = count_anew(connection, planner, tables)
    if answers:
        registry = planner.runtime.state.destination_list
        members = sum(sizes.get(status, 0) for status in IN_LIST)
        mine = registry.c.activation == planner.name
        connection.execute(registry.update().where(mine).values(members_delivered=members))
    return answers, sizes


def count_anew(connection: Connection, planner: Planner, tables: ListTables) -> dict[str, int]:
    """Members of the ledger by status, kept for the next plan."""
    sizes = planner.ledger_sizes(connection, tables)
    registry = planner.runtime.state.destination_list
    mine = registry.c.activation == planner.name
    connection.execute(registry.update().where(mine).values(sizes=json.dumps(sizes)))
    return sizes

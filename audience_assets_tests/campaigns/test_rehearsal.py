"""A rehearsed campaign gives the groups that a real computation gives, and leaves nothing behind."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.campaigns.refresh import rehearsed
from audience_assets_tests.campaigns.people import NOON, Town, adults_of, campaign, project_of


def test_a_rehearsal_shows_what_a_computation_gives_and_is_undone(warehouse: Engine) -> None:
    town = Town.on(warehouse, adults_of(["paris", "lyon"], 200))
    project = project_of(campaign())
    inspected = sa.inspect(warehouse).get_table_names(schema=town.state.metadata.schema)
    with rehearsed(town.engine, town.state, project, "spring", NOON) as (connection, run):
        table = town.state.recipient("spring", "integer")
        seen = {row.user_key: row.group_name for row in connection.execute(sa.select(table))}
        audience = town.state.segment("spring.remaining.a", "integer")
        treated = set(connection.scalars(sa.select(audience.c.user_key)))
    assert run.size == len(seen) == 200
    assert sa.inspect(warehouse).get_table_names(schema=town.state.metadata.schema) == inspected
    assert town.rows(town.state.campaign_run) == town.rows(town.state.campaign_split) == []
    town.refresh(project)
    assert town.groups_of() == seen
    assert town.audience("spring.remaining.a") == treated

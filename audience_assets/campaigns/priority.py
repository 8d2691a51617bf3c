"""Priority lists: a person is kept only in the campaign of the list that stands first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.stored import expect_todays_keys
from audience_assets.campaigns.meaning import outranking
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State


def rivals(
    connection: Connection, state: State, project: Project, name: str, as_of: datetime
) -> dict[str, sa.Select[Any]]:
    """By its name, the `user_key` of everybody that each campaign has which outranks this one and is not over.

    These are its recipients, its control too: who is to get nothing of that one gets nothing of this. Whom a holdout
    keeps from it counts as if they were recipients, so that what is left to this campaign is as much of the held out as
    of the others. A campaign is over when its results have been counted, `measurement.window_days` after its newest
    run.
    """
    model = project.campaign_model(name)
    listed = [each for each in outranking(project, name) if project.campaign_model(each) == model]
    run = state.campaign_run
    newest = sa.select(run.c.campaign, sa.func.max(run.c.as_of).label("as_of")).where(run.c.campaign.in_(listed))
    rows = connection.execute(newest.group_by(run.c.campaign)).all() if listed else []
    until = {row.campaign: row.as_of + timedelta(days=_window(project, row.campaign)) for row in rows}
    live = [each for each in listed if each in until and as_of < until[each]]
    tables = {each: state.recipient(each, project.models[model].key_type) for each in live}
    expect_todays_keys(connection, project, model, tables)
    found = {each: sa.select(table.c.user_key) for each, table in tables.items()}
    for each, recipients in found.items():
        if project.campaigns[each].holdout == project.campaigns[name].holdout is not None:
            held = state.held_out(each, project.models[model].key_type)
            held.create(connection, checkfirst=True)
            present = sa.select(held.c.user_key).where(held.c.left_at.is_(None))
            found[each] = sa.select(sa.union_all(recipients, present).subquery("theirs").c.user_key)
    return found


def _window(project: Project, campaign: str) -> int:
    return project.campaigns[campaign].measurement.window_days

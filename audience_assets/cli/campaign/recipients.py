"""`audience-assets campaign recipients`: who has which group now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from audience_assets.cli.campaign.files import day, write_csv
from audience_assets.cli.campaign.showing import groups_table
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh_campaigns
from audience_assets.cli.session import Session
from audience_assets.project.audiences import parts_of
from audience_assets.project.campaign_files import recipients_file
from audience_assets.project.campaigns import Campaign, Group
from audience_assets.runtime import Runtime

KEPT = ("user_key", "sub_audience", "group_name", "is_control", "bucket", "split_version", "since")
COLUMNS = ("user_key", "campaign", "campaign_name", *KEPT[1:], "destinations", "launch_date")


@declare(
    "recipients",
    click.argument("campaign"),
    click.option("--refresh/--no-refresh", "fresh", default=True, help="Compute the campaign first. On by default."),
    click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help="Write the keys of every group, control too, one file a group, into this folder.",
    ),
)
def command(session: Session, campaign: str, fresh: bool, out: Path | None) -> None:
    """Show how many recipients each group of CAMPAIGN has, control included, and write them to files if asked.

    People who have no group yet are given one, and keep it. Of an archived campaign the last recipients are shown.
    """
    with session.runtime() as runtime:
        known(campaign, "campaign", runtime.project.campaigns)
        as_of = session.now
        if fresh and runtime.project.campaigns[campaign].state != "archived":
            refresh_campaigns(session, runtime, [campaign], as_of)
        counts = _counts(runtime, campaign)
        files = list(_write(runtime, campaign, out, as_of)) if out is not None else []
        shown = groups_table(runtime.project, campaign, counts)
    if session.as_json:
        session.answer({"campaign": campaign, "groups": counts, "files": [str(file) for file in files]})
        return
    session.say(shown)
    for file in files:
        session.say(f"wrote {file}")


def _table(runtime: Runtime, campaign: str) -> sa.Table:
    model = runtime.project.models[runtime.project.campaign_model(campaign)]
    return runtime.state.recipient(campaign, model.key_type)


def _counts(runtime: Runtime, campaign: str) -> dict[str, dict[str, int]]:
    """Sub-audience -> group -> people."""
    c = _table(runtime, campaign).c
    query = sa.select(c.sub_audience, c.group_name, sa.func.count()).group_by(c.sub_audience, c.group_name)
    found: dict[str, dict[str, int]] = {}
    with runtime.engine.connect() as connection:
        if not sa.inspect(connection).has_table(c.user_key.table.name, schema=c.user_key.table.schema):
            raise click.UsageError(f"campaign {campaign} was never computed: leave --no-refresh out")
        for sub_audience, group, people in connection.execute(query):
            found.setdefault(sub_audience, {})[group] = people
    return found


def _write(runtime: Runtime, campaign: str, folder: Path, as_of: datetime) -> Iterator[Path]:
    declared = runtime.project.campaigns[campaign]
    for part in parts_of(declared):
        for group in part.groups:
            name = recipients_file(declared, part.name, group.name, day(runtime.project, as_of))
            yield write_csv(folder / name, COLUMNS, _rows(runtime, declared, part.name, group))


def _rows(runtime: Runtime, campaign: Campaign, sub_audience: str, group: Group) -> Iterator[dict[str, Any]]:
    """Who is in a group, where it is sent (the control nowhere), and what the campaign says of itself."""
    c = _table(runtime, campaign.campaign).c
    same = {
        "campaign": campaign.campaign,
        "campaign_name": campaign.title,
        "destinations": " ".join(group.destinations),
        "launch_date": campaign.launch,
    }
    query = sa.select(*(c[name] for name in KEPT)).where(c.sub_audience == sub_audience, c.group_name == group.name)
    with runtime.engine.connect().execution_options(yield_per=10_000) as connection:
        for row in connection.execute(query.order_by(c.user_key)).mappings():
            yield {**row, **same}

"""`audience-assets campaign preview`: a campaign tried out; a dry run with N records to files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text
from sqlalchemy.engine import Connection

from audience_assets.campaigns.control import controls
from audience_assets.campaigns.order import segments_before
from audience_assets.campaigns.outlook import campaign_outlook
from audience_assets.campaigns.refresh import CampaignRun, rehearsed
from audience_assets.cli.campaign.files import write_records
from audience_assets.cli.campaign.showing import funnel, groups_table, outlook_table, plain_run, reach_table
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh
from audience_assets.cli.session import Session
from audience_assets.project.campaigns import Campaign
from audience_assets.sync.control import without_protected
from audience_assets.sync.plan import Planner
from audience_assets.sync.reach import Reach, measure_reach
from audience_assets.sync.several_rows import SeveralRows, expect_one_row


@declare(
    "preview",
    click.argument("campaign"),
    click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help="A dry run: also write what would be sent, one file a list, into this folder. Personal data!",
    ),
    click.option(
        "--records", type=click.IntRange(min=1), default=10, show_default=True, help="How many customers in each file."
    ),
)
def command(session: Session, campaign: str, out: Path | None, records: int) -> None:
    """Compute CAMPAIGN, show its sizes, and undo it: nobody is given a group for good, nothing is sent.

    Tells for each list how many customers become rows, and why others do not; whether the control is large enough;
    and the smallest lift that its groups can show.
    """
    with session.runtime() as runtime:
        project = runtime.project
        known(campaign, "campaign", project.campaigns)
        as_of = session.now
        refresh(session, runtime, segments_before(project, campaign), as_of)
        reached: dict[str, Reach] = {}
        files: list[Path] = []
        remarks: list[str] = []
        with rehearsed(runtime.engine, runtime.state, project, campaign, as_of) as (connection, run):
            for each in project.lists_of(campaign):
                planner = Planner(runtime, each.name, as_of)
                desired = planner.unplanned()
                reached[each.name] = measure_reach(connection, planner, desired)
                remarks += _several_rows(connection, planner)
                if out is not None:
                    with without_protected(connection, desired, planner.protected) as sent:
                        files.append(write_records(out, connection, project, each, sent, records, as_of))
            outlook = campaign_outlook(connection, runtime.state, project, campaign, as_of)
    remarks += _remarks(run, project.campaigns[campaign])
    remarks += [remark for each in outlook for remark in each.remarks]
    if session.as_json:
        answer = {
            **plain_run(run),
            "lists": {name: asdict(each) for name, each in reached.items()},
            "outlook": [asdict(each) for each in outlook],
            "warnings": remarks,
            "files": [str(file) for file in files],
        }
        session.answer(answer)
        return
    session.say(funnel(run), groups_table(project, campaign, run.counts), reach_table(reached))
    if outlook:
        session.say(outlook_table(outlook))
    for remark in remarks:
        session.say(Text.assemble(("warning: ", "yellow"), remark))
    for file in files:
        session.say(f"wrote {file}")


def _remarks(run: CampaignRun, campaign: Campaign) -> list[str]:
    return [remark for each in controls(campaign, run.counts) for remark in each.remarks]


def _several_rows(connection: Connection, planner: Planner) -> list[str]:
    """What would stop the delivery."""
    try:
        expect_one_row(connection, planner)
    except SeveralRows as error:
        return [str(error)]
    return []

"""`audience-assets campaign check`: what a campaign is, and what to look at."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from audience_assets.cli.campaign.showing import groups_table
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.cli.words import plural
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.campaign_cautions import campaign_remarks
from audience_assets.project.project import Project


@declare("check", click.argument("campaigns", nargs=-1))
def command(session: Session, campaigns: tuple[str, ...]) -> None:
    """Show the groups and lists of CAMPAIGNS (all without one), and what is allowed but a trap.

    Fails (2) with every mistake of the project, each with file, line and how to mend it. Neither the warehouse nor a
    vendor is asked.
    """
    project = session.project()
    chosen = [known(name, "campaign", project.campaigns) for name in campaigns] or list(project.campaigns)
    remarks = [each for each in campaign_remarks(project, DESTINATIONS) if each.campaign in chosen]
    if session.as_json:
        warnings = [asdict(each) for each in remarks]
        session.answer({"ok": True, "campaigns": [_plain(project, name) for name in chosen], "warnings": warnings})
        return
    for name in chosen:
        session.say(groups_table(project, name))
    for each in remarks:
        session.say(Text.assemble(("warning: ", "yellow"), each.message))
    session.say(f"{plural(len(chosen), 'campaign')}. No mistakes." if chosen else "The project declares no campaign.")


def _plain(project: Project, name: str) -> dict[str, Any]:
    campaign, lists = project.campaigns[name], [each.name for each in project.lists_of(name)]
    return {"campaign": name, "name": campaign.title, "state": campaign.state, "lists": lists}

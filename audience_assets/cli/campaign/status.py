"""`audience-assets campaign status`: what became of a campaign's lists."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from audience_assets.cli.campaign.showing import delivery_table
from audience_assets.cli.codes import Code
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.sync import CampaignDelivery, campaign_delivery
from audience_assets.sync.delivered import BAD_STATES


@declare("status", click.argument("campaigns", nargs=-1))
def command(session: Session, campaigns: tuple[str, ...]) -> Code:
    """Show what became of the lists of CAMPAIGNS (all without one): customers, rows, and why these are not as many.

    Customers and shrink are as of the newest plan or delivery of each list; rows are in the list now, and those that
    wait are to come. Fails (1) when the last delivery of a list failed or was stopped by a guard.
    """
    with session.runtime() as runtime:
        declared = runtime.project.campaigns
        chosen = [known(name, "campaign", declared) for name in campaigns] or list(declared)
        found = [campaign_delivery(runtime, name) for name in chosen]
        states = {name: declared[name].state for name in chosen}
    if session.as_json:
        session.answer([{**plain_delivery(each), "state": states[each.campaign]} for each in found])
    else:
        if not found:
            session.say("The project declares no campaign.")
        for each in found:
            session.say(delivery_table(each, states[each.campaign]))
            for one in each.lists:
                if one.error:
                    session.say(f"{one.activation}: {one.error}")
    return Code.FAILED if any(each.in_state(*BAD_STATES) for each in found) else Code.OK


def plain_delivery(found: CampaignDelivery) -> dict[str, Any]:
    """For programs."""
    total = found.total
    return {
        "campaign": found.campaign,
        "customers": total.customers,
        "rows": total.rows,
        "shrink": total.shrink,
        "expansion": total.expansion,
        "lists": [
            {**{name: value for name, value in asdict(each).items() if name != "reach"}, **asdict(each.reach)}
            | {"waiting": each.waiting}
            for each in found.lists
        ],
    }

"""`audience-assets campaign plan`: what delivering a campaign would change in its lists."""

from __future__ import annotations

from typing import Any

import click

from audience_assets.cli.codes import Code, worst
from audience_assets.cli.declare import declare
from audience_assets.cli.failures import code_of, message_about, tell
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh
from audience_assets.cli.session import Session
from audience_assets.cli.words import count, duration, table
from audience_assets.errors import AudienceError
from audience_assets.project.campaign_states import expect_active
from audience_assets.sync import Plan, plan_sync


@declare(
    "plan",
    click.argument("campaign"),
    click.option("--refresh/--no-refresh", "fresh", default=True, help="Compute the campaign first. On by default."),
)
def command(session: Session, campaign: str, fresh: bool) -> Code:
    """Show what delivering CAMPAIGN would change in each of its lists. Nothing is written at a vendor.

    People who have no group yet are given one, and keep it; `preview` gives nobody one. Exits with 3 when a guard would
    stop a list. A destination that can't be asked does not keep the others from being planned.
    """
    with session.runtime() as runtime:
        project = runtime.project
        expect_active(project, known(campaign, "campaign", project.campaigns))
        as_of = session.now
        lists = project.lists_of(campaign)
        if fresh:
            refresh(session, runtime, [each.audience for each in lists], as_of)
        plans: list[Plan] = []
        codes: list[Code] = []
        for each in lists:
            try:
                with session.err.status(f"planning {each.name}"):
                    plans.append(plan_sync(runtime, each.name, as_of=as_of))
            except AudienceError as error:
                codes.append(tell(error, message_about(each.name, error)) or code_of(error))
            else:
                codes.append(Code.GUARDED if plans[-1].violations else Code.OK)
    if session.as_json:
        session.answer([_plain(each) for each in plans])
    elif plans:
        _show(session, plans)
    return worst(codes)


def _plain(plan: Plan) -> dict[str, Any]:
    counts = plan.counts
    return {
        "activation": plan.activation,
        "list": plan.list_name,
        "audience": counts.audience_users,
        "add": counts.add,
        "update": counts.update,
        "remove": counts.remove,
        "floor_seconds": plan.floor_seconds,
        "violations": plan.violations,
        "fingerprint": plan.fingerprint,
    }


def _show(session: Session, plans: list[Plan]) -> None:
    rows = [
        (
            plan.activation,
            plan.list_name,
            *(count(getattr(plan.counts, name)) for name in ("audience_users", "add", "update", "remove")),
            duration(plan.floor_seconds),
        )
        for plan in plans
    ]
    columns = ("activation", "list", "audience", "add", "update", "remove", "at best")
    session.say(table(None, columns, rows, numbers="audience, add, update, remove, at best"))
    for plan in plans:
        for violation in plan.violations:
            session.say(f"Guard: {plan.activation}: {violation}")

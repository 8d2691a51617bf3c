"""`audience-assets sync`: make lists equal to their segments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from audience_assets.cli.campaign.showing import delivery_table
from audience_assets.cli.codes import Code, worst
from audience_assets.cli.declare import declare
from audience_assets.cli.delivering import Delivery, summary
from audience_assets.cli.failures import code_of, message_about, tell
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh_each
from audience_assets.cli.session import Session
from audience_assets.destinations.base import DestinationError
from audience_assets.errors import AudienceError
from audience_assets.project.campaign_states import expect_active
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime
from audience_assets.sync import SyncReport, campaign_delivery, run_sync


@declare(
    "sync",
    click.argument("activations", nargs=-1),
    click.option("--all", "every", is_flag=True, help="Every activation of the project, no campaign."),
    click.option("--campaign", metavar="NAME", help="Every list of a campaign's treatment groups."),
    click.option("--approve", metavar="PLAN", help="Let the plan through that a guard stopped, by its fingerprint."),
    click.option("--recreate", is_flag=True, help="Start a list anew that was deleted, or whose destination changed."),
    click.option("--refresh/--no-refresh", "fresh", default=True, help="Compute the segment first. On by default."),
)
def command(
    session: Session,
    activations: tuple[str, ...],
    every: bool,
    campaign: str | None,
    approve: str | None,
    recreate: bool,
    fresh: bool,
) -> Code:
    """Make the lists of ACTIVATIONS equal to their segments, or those of a campaign to its groups.

    Says what it will cost before and what came of it after. With several lists, one that fails does not keep
    the others from being delivered.
    """
    _expect_one_way(activations, every, campaign)
    if approve and len(activations) != 1:
        raise click.UsageError("--approve lets one plan of one list through: name exactly one activation.")
    with session.runtime() as runtime:
        declared = runtime.project.effective
        chosen = _chosen(runtime.project, activations, campaign)
        as_of = session.now
        failed = refresh_each(session, runtime, (declared[name].audience for name in chosen), as_of) if fresh else {}
        results = [
            _stopped(name, failed[declared[name].audience])
            if declared[name].audience in failed
            else _deliver(session, runtime, name, as_of, approve, recreate)
            for name in chosen
        ]
        if campaign is not None:
            session.say(delivery_table(campaign_delivery(runtime, campaign)))
    if session.as_json:
        session.answer([result for _, result in results])
    return worst([code for code, _ in results])


def _expect_one_way(activations: tuple[str, ...], every: bool, campaign: str | None) -> None:
    """Raises UsageError unless the lists are chosen in exactly one way."""
    ways = ([", ".join(activations)] if activations else []) + (["--all"] if every else [])
    ways += [f"--campaign {campaign}"] if campaign is not None else []
    if not ways:
        raise click.UsageError("Name the activations to sync, or say --all, or --campaign NAME.")
    if len(ways) > 1:
        raise click.UsageError(f"It is one or the other: {' or '.join(ways)}.")


def _chosen(project: Project, activations: tuple[str, ...], campaign: str | None) -> list[str]:
    """Without a name all activations, but not the lists of campaigns, which may not have begun, or be over."""
    if campaign is not None:
        expect_active(project, known(campaign, "campaign", project.campaigns))
        return [each.name for each in project.lists_of(campaign)]
    return [known(name, "activation", project.effective) for name in activations] or list(project.activations)


def _deliver(
    session: Session, runtime: Runtime, name: str, as_of: datetime, approve: str | None, recreate: bool
) -> tuple[Code, dict[str, Any]]:
    """Sync one list; the code and the answer for a program."""
    try:
        with Delivery(session) as delivery:
            report = run_sync(runtime, name, as_of=as_of, approve=approve, recreate=recreate, progress=delivery.heard)
    except DestinationError as error:
        message = message_about(name, error)
        tell(error, message)
        return Code.FAILED, {"activation": name, "state": "failed", "error": message}
    except AudienceError as error:
        return _stopped(name, error)
    session.say(*summary(report))
    if approve and not report.overruled:
        session.say("  no guard stopped this plan, so there was nothing to approve")
    return _code(report), report.as_dict()


def _stopped(name: str, error: AudienceError | DBAPIError) -> tuple[Code, dict[str, Any]]:
    """A list that was not begun: its audience could not be computed, or a guard stopped it."""
    message = message_about(name, error)
    tell(error, message)
    return code_of(error), {"activation": name, "state": "stopped", "error": message}


def _code(report: SyncReport) -> Code:
    return Code.PARTIAL if report.state == "partial" else Code.OK

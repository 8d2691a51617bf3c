"""`audience-assets plan`: what a sync would change and cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from audience_assets.cli.codes import Code
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.refreshing import refresh
from audience_assets.cli.session import Session
from audience_assets.cli.words import duration, table
from audience_assets.sync import Plan, plan_sync


@declare(
    "plan",
    click.argument("activation"),
    click.option("--sample", type=click.IntRange(min=0), default=0, help="Also show so many changes. Personal data!"),
    click.option("--refresh/--no-refresh", "fresh", default=True, help="Compute the segment first. On by default."),
)
def command(session: Session, activation: str, sample: int, fresh: bool) -> Code:
    """Show what a sync would change, its calls and the least time they take. Nothing is written at the vendor.

    Exits with 3 when a guard would stop the plan.
    """
    with session.runtime() as runtime:
        known(activation, "activation", runtime.project.effective)
        as_of = session.now
        if fresh:
            refresh(session, runtime, [runtime.project.effective[activation].audience], as_of)
        with session.err.status(f"planning {activation}"):
            plan = plan_sync(runtime, activation, as_of=as_of, sample=sample)
    if session.as_json:
        session.answer(_plain(plan))
    else:
        _show(session, plan)
    return Code.GUARDED if plan.violations else Code.OK


def _plain(plan: Plan) -> dict[str, Any]:
    calls = [{"endpoint": each.endpoint.name, "calls": each.calls} for each in plan.estimate]
    plain: dict[str, Any] = {**asdict(plan), "estimate": calls, "list_facts": dict(plan.list_facts)}
    return plain


def _show(session: Session, plan: Plan) -> None:
    state = "exists" if plan.list_exists else "will be looked up by name, and created if there is none"
    session.say(f"{plan.activation} -> list {plan.list_name!r} ({state})")
    for name, fact in plan.list_facts.items():
        session.say(f"  {name}: {fact}")
    named = (
        ("users in the audience", "audience_users"),
        ("members now", "members_before"),
        ("to add", "add"),
        ("  of these tried before", "retry"),
        ("to update", "update"),
        ("to remove", "remove"),
        ("users sharing another's address", "duplicates"),
        ("users without an address", "unidentified"),
    )
    session.say(
        table(
            None,
            ("", "number"),
            [(words, f"{getattr(plan.counts, name):,}") for words, name in named],
            numbers="number",
        )
    )
    if plan.estimate:
        cells = [(each.endpoint.name, f"{each.calls:,}") for each in plan.estimate]
        session.say(table("at most these calls", ("endpoint", "calls"), cells, numbers="calls"))
        session.say(f"The vendor's limits allow this in {duration(plan.floor_seconds)} at best.")
    if plan.routes:
        rows = [(f"{r.name}{' (taken)' if r.chosen else ''}", duration(r.seconds), r.note) for r in plan.routes]
        session.say(table("ways to deliver it", ("route", "at best", "note"), rows))
    if plan.sample:
        cells = [(str(row["operation"]), str(row["identifier"])) for row in plan.sample]
        session.say(table("for example", ("operation", "identifier"), cells))
    for note in plan.notes:
        session.say(f"Note: {note}")
    for violation in plan.violations:
        session.say(f"Guard: {violation}")
    if plan.fingerprint:
        session.say(
            f"To let this very plan through: audience-assets sync {plan.activation} --approve {plan.fingerprint}"
        )

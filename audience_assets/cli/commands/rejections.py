"""`audience-assets rejections`: who was refused, why, and what happens next."""

from __future__ import annotations

from dataclasses import asdict

import click

from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.cli.words import moment, plural, table
from audience_assets.sync import open_rejections, rejected_rows

NEXT = {"next_sync": "tried again by the next sync", "when_changed": "tried again when the person's data changes"}


@declare(
    "rejections",
    click.argument("activation"),
    click.option("--rows", type=click.IntRange(min=0), default=0, help="Also show so many people. Personal data!"),
)
def command(session: Session, activation: str, rows: int) -> None:
    """Count who was refused at a list by reason, and say when each is tried again."""
    with session.runtime() as runtime:
        known(activation, "activation", runtime.project.effective)
        counts = open_rejections(runtime, activation)
        people = rejected_rows(runtime, activation, rows) if rows else []
    if session.as_json:
        session.answer({"activation": activation, "reasons": [asdict(each) for each in counts], "rows": people})
        return
    if not counts:
        session.say(f"{activation}: nobody is refused.")
        return
    session.say(
        table(
            f"{activation}: {plural(sum(each.rows for each in counts), 'refusal')}",
            ("reason", "channel", "while", "rows", "next", "example"),
            [
                (
                    each.reason,
                    each.channel or "all",
                    each.operation,
                    f"{each.rows:,}",
                    NEXT.get(each.recheck, each.recheck),
                    each.detail or "",
                )
                for each in counts
            ],
            numbers="rows",
        )
    )
    if people:
        cells = [
            (
                row["identifier"],
                row["channel"] or "all",
                row["reason"],
                f"{row['attempts']}",
                moment(row["first_seen"]),
                moment(row["last_seen"]),
            )
            for row in people
        ]
        session.say(
            table("people", ("identifier", "channel", "reason", "tries", "first", "last"), cells, numbers="tries")
        )

"""`audience-assets preview`: some members of a segment."""

from __future__ import annotations

import click

from audience_assets.audiences.preview import preview
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.cli.words import table


@declare(
    "preview",
    click.argument("segment"),
    click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True),
)
def command(session: Session, segment: str, limit: int) -> None:
    """Show the first members that SEGMENT's definition finds now. Personal data is redacted; nothing is stored."""
    with session.runtime() as runtime:
        known(segment, "segment", runtime.project.segments)
        rows = preview(runtime.engine, runtime.state, runtime.project, segment, session.now, limit=limit)
    if session.as_json:
        session.answer({"segment": segment, "rows": rows})
    elif not rows:
        session.say(f"{segment}: nobody.")
    else:
        session.say(table(None, list(rows[0]), [[_cell(value) for value in row.values()] for row in rows]))


def _cell(value: object) -> str:
    return "" if value is None else str(value)

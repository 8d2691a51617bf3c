"""`audience-assets sql`: the statement that computes a segment."""

from __future__ import annotations

import click
from rich.syntax import Syntax

from audience_assets.audiences.display import DIALECTS, segment_sql
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session


@declare(
    "sql",
    click.argument("segment"),
    click.option("--dialect", type=click.Choice(DIALECTS), help="Instead of the project's own warehouse."),
)
def command(session: Session, segment: str, dialect: str | None) -> None:
    """Show the one statement that computes SEGMENT now, its values written in.

    To read, not to run: a refresh sends values apart from the statement.
    """
    with session.runtime(create=False) as runtime:
        known(segment, "segment", runtime.project.segments)
        chosen = dialect or runtime.engine.dialect.name
        text = segment_sql(runtime.project, segment, chosen, session.now)
    if session.as_json:
        session.answer({"segment": segment, "dialect": chosen, "sql": text})
    elif session.out.is_terminal:
        session.say(Syntax(text, "sql", word_wrap=True, background_color="default"))
    else:
        session.say(text)

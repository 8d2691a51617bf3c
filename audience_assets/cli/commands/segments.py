"""`audience-assets segments`: what is declared, and how large it was when last computed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.cli.words import count, moment, table
from audience_assets.project.describe import describe
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime


@declare("segments")
def command(session: Session) -> None:
    """List the segments with their size when last computed, and their condition in words."""
    with session.runtime() as runtime:
        runs = _last_runs(runtime)
        rows = [_row(runtime.project, name, runs.get(name, {})) for name in runtime.project.segments]
    if session.as_json:
        session.answer(rows)
        return
    session.say(
        table(
            None,
            ("segment", "size", "entered", "left", "computed", "who"),
            [
                (
                    row["segment"],
                    count(row["size"]),
                    count(row["entered"]),
                    count(row["left"]),
                    moment(row["computed_at"]),
                    row["condition"],
                )
                for row in rows
            ],
            numbers="size, entered, left",
        )
    )


def _row(project: Project, name: str, run: dict[str, Any]) -> dict[str, Any]:
    segment = project.segments[name]
    return {
        "segment": name,
        "label": segment.label or name,
        "model": project.users_model(name),
        "size": run.get("size"),
        "entered": run.get("entered"),
        "left": run.get("left"),
        "computed_at": run.get("as_of"),
        "condition": describe(segment.where, project) if segment.where else "everybody",
    }


def _last_runs(runtime: Runtime) -> dict[str, dict[str, Any]]:
    run = runtime.state.segment_run
    newest = sa.select(sa.func.max(run.c.id)).group_by(run.c.segment)
    with runtime.engine.connect() as connection:
        rows = connection.execute(sa.select(run).where(run.c.id.in_(newest))).mappings()
        return {row["segment"]: dict(row) for row in rows}

"""The group of commands."""

from __future__ import annotations

import click

from audience_assets import __version__
from audience_assets.cli.codes import EXPLAINED
from audience_assets.cli.lazy import LazyGroup

COMMANDS = {
    "init": "make a new project folder that runs as it is",
    "check": "find every mistake in a project",
    "segments": "list the segments with their size and condition",
    "sql": "show the statement that computes a segment",
    "preview": "show some members, personal data redacted",
    "insights": "size, reach, value and waterfall of a segment",
    "overlap": "how many members segments have in common",
    "plan": "what a sync would change, without doing it",
    "sync": "make lists equal to their segments",
    "campaign": "check, preview, plan and follow campaigns",
    "status": "what each list holds and how its last sync went",
    "rejections": "who was refused and why",
    "reconcile": "compare a list at the vendor with what we know of it",
    "forget": "erase a person from our state, and keep a proof",
    "explain": "every setting of an activation and where it comes from",
    "doctor": "try the warehouse, credentials, scopes and lists",
    "sandbox": "local vendors to try things on",
    "demo": "a shop's day, from warehouse to lists, by itself",
    "ui": "Dagster and the sandbox, until Ctrl-C",
    "schema": "JSON Schemas of the project's files, for editors",
}


@click.group(
    cls=LazyGroup,
    declared=COMMANDS,
    package="audience_assets.cli.commands",
    epilog=EXPLAINED,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="audience-assets")
def main() -> None:
    """Segments in your warehouse, lists at your e-mail and SMS platforms."""

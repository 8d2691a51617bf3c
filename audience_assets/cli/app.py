"""The group of commands. A command's module is imported only when it is asked for, so that `check` starts fast."""

from __future__ import annotations

from importlib import import_module

import click

from audience_assets import __version__
from audience_assets.cli.codes import EXPLAINED
from audience_assets.cli.names import known

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


class LazyGroup(click.Group):
    """Knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"audience_assets.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-"):
            known(args[0], "command", COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, epilog=EXPLAINED, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="audience-assets")
def main() -> None:
    """Segments in your warehouse, lists at your e-mail and SMS platforms."""

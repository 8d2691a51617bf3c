"""A group of commands that imports the module of a command only when it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from audience_assets.cli.codes import Code
from audience_assets.cli.names import known


class LazyGroup(click.Group):
    """Knows its commands' names and help (`declared`) without importing them from `package`."""

    def __init__(self, *arguments: Any, declared: Mapping[str, str], package: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.declared = declared
        self.package = package

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # also while a command's module is imported, which takes a while
            click.secho("Interrupted.", fg="red", err=True)
            sys.exit(Code.INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.declared)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self.declared:
            return None
        module = import_module(f"{self.package}.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-"):
            known(args[0], "command", self.declared)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self.declared.items()))

"""How a command is declared: its name, the options all share, and what its return value means."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from audience_assets.cli.codes import Code
from audience_assets.cli.failures import told
from audience_assets.cli.session import Session

PROJECT_VARIABLE = "AUDIENCE_PROJECT"

Body = Callable[..., Code | None]
Decorator = Callable[[Any], Any]

project_option = click.option(
    "--project",
    "-p",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    envvar=PROJECT_VARIABLE,
    show_default="this folder",
    show_envvar=True,
    help="The project's folder.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer with JSON on stdout.")
debug_option = click.option("--debug", is_flag=True, help="Show the traceback of an error.")


def declare(name: str, *options: Decorator, json: bool = True) -> Callable[[Body], click.Command]:
    """Make a command of a function that takes a Session first and answers an exit code (None is OK).

    Every command has `--project` and `--debug`; `json` adds `--json`. The options come in the order given.
    """

    def decorate(body: Body) -> click.Command:
        @functools.wraps(body)
        def run(folder: Path, debug: bool, as_json: bool = False, **values: Any) -> None:
            with told(debug=debug):
                code = body(Session(folder, as_json), **values)
            click.get_current_context().exit(int(code or Code.OK))

        decorated: Any = run
        shared = (project_option, json_option, debug_option) if json else (project_option, debug_option)
        for option in reversed((*options, *shared)):
            decorated = option(decorated)
        made: click.Command = click.command(name)(decorated)
        return made

    return decorate

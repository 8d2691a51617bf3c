"""From an error to one message and an exit code. A user's mistake never shows a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import DBAPIError

from audience_assets.cli.codes import Code
from audience_assets.errors import AudienceError, ProjectError
from audience_assets.sync.guards import GuardTripped


def code_of(error: BaseException) -> Code:
    """The exit code an error stands for."""
    if isinstance(error, ProjectError):
        return Code.MISTAKE
    if isinstance(error, GuardTripped):
        return Code.GUARDED
    return Code.FAILED


def message_of(error: Exception) -> str:
    """What to tell a person. Of a database's complaint only the first line: later ones may quote rows."""
    if isinstance(error, DBAPIError):
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        return f"The warehouse refused: {lines[0]}"
    return str(error)


def tell(error: Exception) -> Code:
    """Write the message to stderr and answer the code."""
    click.secho(message_of(error), fg="red", err=True)
    return code_of(error)


@contextmanager
def told(*, debug: bool) -> Iterator[None]:
    """End the program with one message and the right code when an expected error passes."""
    try:
        yield
    except (AudienceError, DBAPIError) as error:
        if debug:
            raise
        sys.exit(tell(error))
    except KeyboardInterrupt:
        click.secho("Interrupted.", fg="red", err=True)
        sys.exit(Code.INTERRUPTED)

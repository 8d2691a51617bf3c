"""From an error to one message and an exit code. A user's mistake never shows a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import DBAPIError

from audience_assets.cli.codes import Code
from audience_assets.destinations.base import ListMissing
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
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or type(error).__name__) if part)
    return str(error)


def message_about(activation: str, error: Exception) -> str:
    """The message with the list it is about, which matters where several are delivered, and what to do."""
    message = message_of(error)
    if isinstance(error, ListMissing):
        message += (
            " It was deleted, or the key is another account's now. If neither is a mistake, make the list anew: "
            f"audience-assets sync {activation} --recreate"
        )
    return message if message.startswith(f"{activation}: ") else f"{activation}: {message}"


def tell(error: Exception, message: str | None = None) -> Code:
    """Write the message to stderr and answer the code."""
    click.secho(message or message_of(error), fg="red", err=True)
    return code_of(error)


@contextmanager
def told(*, debug: bool) -> Iterator[None]:
    """End the program with one message and the right code when an expected error passes."""
    try:
        yield
    except (AudienceError, DBAPIError, OSError) as error:
        if debug:
            raise
        sys.exit(tell(error))

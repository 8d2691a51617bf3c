"""What every command gets: the project's folder, two consoles, and one way to answer people or programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click
import orjson
from dotenv import load_dotenv
from rich.console import Console
from rich.text import Text

from audience_assets.errors import AudienceError
from audience_assets.project.load import load_project
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime

FILE_WIDTH = 180


class _Voice(Console):
    """Goes on in silence when its reader has gone: `sync | head` must not break off a delivery."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _speak_to_nobody(self.file)


def _speak_to_nobody(stream: IO[str]) -> None:
    """What a closed pipe has not taken goes nowhere, also when Python flushes it at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def console(*, stderr: bool) -> Console:
    """As wide as the terminal; in a file or a pipe, wide enough for our tables."""
    made = _Voice(stderr=stderr, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = FILE_WIDTH
    return made


@dataclass(frozen=True)
class Session:
    """One call of the command line."""

    folder: Path
    as_json: bool = False
    out: Console = field(default_factory=lambda: console(stderr=False))
    err: Console = field(default_factory=lambda: console(stderr=True))

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def answer(self, value: Any) -> None:
        """Write plain values to stdout as JSON."""
        text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
        try:
            click.echo(text)
        except BrokenPipeError:
            _speak_to_nobody(sys.stdout)

    def say(self, *renderables: Any) -> None:
        """Tell a person; silent when a program reads. Text is not broken into lines here."""
        if not self.as_json:
            for each in renderables:
                self.out.print(each, markup=False, soft_wrap=isinstance(each, str | Text))

    def project(self) -> Project:
        """The checked project. Raises ProjectError."""
        self._load_environment()
        return load_project(self.folder)

    @contextmanager
    def runtime(self, *, create: bool = True) -> Iterator[Runtime]:
        """The opened project; `create` makes our tables if missing. Raises ProjectError or WarehouseError."""
        self._load_environment()
        with Runtime.open(self.folder, create=create) as runtime:
            yield runtime

    def _load_environment(self) -> None:
        """Read the project's `.env`; what is set already wins."""
        file = self.folder / ".env"
        try:
            load_dotenv(file, override=False)
        except UnicodeDecodeError as error:
            raise AudienceError(f"{file} is not UTF-8 text") from error

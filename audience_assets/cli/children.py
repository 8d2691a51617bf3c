"""Starting a program that starts others, and stopping all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

GRACE_SECONDS = 12.0


class Child:
    """A program in a process group of its own, ended with everything it started when the context ends.

    The terminal's Ctrl-C does not reach it, so that it is stopped once and in order: asked, then asked firmly,
    then killed. Some of Dagster's servers outlive the polite ways.
    """

    def __init__(
        self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        """`log` takes what it prints; without it that goes where ours goes."""
        self._command = list(command)
        self._folder = folder
        self._log = log
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll() if self._process else None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            output = opened.enter_context(self._log.open("wb")) if self._log else None
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None  # noqa: S101 - the context was entered
        for number in (signal.SIGINT, signal.SIGTERM):
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
                break
        # Whoever of the group is left: children that the program did not wait for.
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None  # noqa: S101
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

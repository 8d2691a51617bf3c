"""Ctrl-C while Dagster works in this process, which loses it now and then.

Between steps Dagster puts the handler of interrupts away, and forgets what came meanwhile. What a handler raises while
Python clears objects away is lost as well, and shown as an exception that was ignored.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
from types import TracebackType
from typing import Self

import dagster as dg


class Interrupts(logging.Handler):
    """Hears every interrupt while it is open, and raises KeyboardInterrupt at the next line that Dagster logs.

    To be opened in the main thread. As a log it writes nothing.
    """

    def __enter__(self) -> Self:
        self._heard, self._told = socket.socketpair()
        for end in (self._heard, self._told):
            end.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._lost
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.unraisablehook = self._unraisable
        signal.set_wakeup_fd(self._wakeup)
        self._heard.close()
        self._told.close()

    def check(self) -> None:
        """Raises KeyboardInterrupt if one came since the last time."""
        with contextlib.suppress(BlockingIOError):
            if signal.SIGINT in self._heard.recv(1024):
                raise KeyboardInterrupt

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self.check()

    def logger(self) -> dg.LoggerDefinition:
        """For a run's definitions."""

        @dg.logger
        def listening(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger("interrupts", logging.DEBUG)
            logger.addHandler(self)
            return logger

        return listening

    def _lost(self, unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt | dg.DagsterExecutionInterruptedError):
            self._unraisable(unraisable)

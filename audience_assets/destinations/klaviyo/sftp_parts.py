"""Rows of many batches gathered into files, on disk and not in memory, and put in place one after the other.

A part is a temporary file without a name: whatever ends this process, no address is left on the disk.
"""

from __future__ import annotations

import re
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Protocol

from audience_assets.destinations.base import DestinationError


class Put(Protocol):
    """Puts a whole file in place, see `sftp_upload.Uploader`."""

    tries: int

    def put(self, name: str, content: IO[bytes]) -> None: ...


@dataclass
class _Part:
    """A file that is being filled. `delivery` is done when it is in place, or can't be put there."""

    content: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    size: int = 0
    delivery: Future[None] = field(default_factory=Future)


class Parts:
    """The files of one sync. Batches come in on several threads; a batch is in one file, whole.

    `name` is in the files' names, `largest` the most bytes of one.
    """

    def __init__(self, uploader: Put, name: str, largest: int, now: Callable[[], datetime]) -> None:
        self._uploader = uploader
        self._largest = largest
        moment = now()
        readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "profiles"
        self._name = f"{readable}-{moment:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._part: _Part | None = None
        self._number = 0
        self._lock = threading.Lock()
        self._removals = 0
        self._no_removals = threading.Condition()

    def gather(self, header: bytes, lines: Sequence[bytes]) -> tuple[Future[None], int]:
        """Take a batch's lines. Returns what decides about them, and how many calls were made meanwhile."""
        with self._lock:
            before = self._uploader.tries
            size = sum(map(len, lines))
            if self._part is not None and self._part.size + size > self._largest:
                self._deliver()
            if len(header) + size > self._largest:
                return self._deliver_apart(header, lines), self._uploader.tries - before
            if self._part is None:
                self._part = self._begin(header)
            self._part.content.writelines(lines)
            self._part.size += size
            return self._part.delivery, self._uploader.tries - before

    def flush(self) -> int:
        """Put the last file in place. Returns how many calls that took; its `delivery` tells of an error."""
        with self._lock:
            before = self._uploader.tries
            self._deliver()
            return self._uploader.tries - before

    def discard(self) -> None:
        """Let go of the file that is being filled."""
        with self._lock:
            part, self._part = self._part, None
            if part is not None:
                part.content.close()

    @contextmanager
    def removing(self) -> Iterator[None]:
        """While somebody is taken off the list no file is put in place: it may hold them under another identifier."""
        with self._no_removals:
            self._removals += 1
        try:
            yield
        finally:
            with self._no_removals:
                self._removals -= 1
                self._no_removals.notify_all()

    @staticmethod
    def _begin(header: bytes) -> _Part:
        part = _Part()
        part.content.write(header)
        part.size = len(header)
        return part

    def _deliver(self) -> None:
        """Put the present part in place, or say why not in its `delivery`."""
        part, self._part = self._part, None
        if part is None:
            return
        with self._no_removals:
            self._no_removals.wait_for(lambda: not self._removals)
        self._number += 1
        try:
            with part.content:
                self._uploader.put(f"{self._name}-{self._number:03}.csv", part.content)
        except DestinationError as error:
            part.delivery.set_exception(error)
        else:
            part.delivery.set_result(None)

    def _deliver_apart(self, header: bytes, lines: Sequence[bytes]) -> Future[None]:
        """A batch that is too large for one file goes into files of its own, at once; the first error ends it."""
        delivery: Future[None] = Future()
        delivery.set_result(None)
        remaining = list(reversed(lines))
        while remaining:
            self._part = self._begin(header)
            written = 0
            while remaining and (not written or self._part.size + len(remaining[-1]) <= self._largest):
                written = self._part.content.write(remaining.pop())
                self._part.size += written
            delivery = self._part.delivery
            self._deliver()
            if delivery.exception() is not None:
                break
        return delivery

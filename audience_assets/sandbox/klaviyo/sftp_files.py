"""The files of one account's SFTP user, which no path leads out of, and what became of them."""

from __future__ import annotations

import posixpath
import tempfile
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import IO

FOLDERS = ("/", "/profiles", "/events")
IN_MEMORY = 1024 * 1024
KEPT_FAILURES = 50


@dataclass
class StoredFile:
    """A file and when it was last written, in seconds since 1970."""

    at: float
    content: IO[bytes] = field(default_factory=partial(tempfile.SpooledTemporaryFile, IN_MEMORY))
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, offset: int, length: int) -> bytes:
        with self.lock:
            self.content.seek(offset)
            return self.content.read(length)

    def write(self, offset: int, data: bytes) -> None:
        with self.lock:
            self.content.seek(offset)
            self.content.write(data)
            self.size = max(self.size, offset + len(data))


class Files:
    """By absolute path. PermissionError, FileNotFoundError, FileExistsError as a file system raises them."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._lock = threading.Lock()

    @staticmethod
    def resolve(path: str) -> str:
        """Absolute and without dots; nothing is above the root."""
        return posixpath.normpath(posixpath.join("/", path)).replace("//", "/")

    def names(self, folder: str) -> list[str]:
        if folder not in FOLDERS:
            raise FileNotFoundError
        with self._lock:
            held = [*self._files, *FOLDERS[1:]]
        return sorted(posixpath.basename(path) for path in held if posixpath.dirname(path) == folder)

    def get(self, path: str) -> StoredFile:
        with self._lock:
            found = self._files.get(path)
        if found is None:
            raise FileNotFoundError
        return found

    def create(self, path: str, at: float) -> StoredFile:
        """A new, empty file; what had the name is gone."""
        self._expect_writable(path)
        with self._lock:
            old = self._files.pop(path, None)
            made = self._files[path] = StoredFile(at)
        if old is not None:
            old.content.close()
        return made

    def rename(self, old: str, new: str) -> None:
        self._expect_writable(new)
        with self._lock:
            if new in self._files:
                raise FileExistsError
            if old not in self._files:
                raise FileNotFoundError
            self._files[new] = self._files.pop(old)

    def remove(self, path: str) -> None:
        with self._lock:
            found = self._files.pop(path, None)
        if found is None:
            raise FileNotFoundError
        found.content.close()

    def forget(self, path: str, file: StoredFile) -> None:
        """Let go of a file, unless it has another name by now or another file has its name."""
        with self._lock:
            if self._files.get(path) is file:
                self._files.pop(path).content.close()

    def clear(self) -> None:
        with self._lock:
            for each in self._files.values():
                each.content.close()
            self._files.clear()

    @staticmethod
    def _expect_writable(path: str) -> None:
        folder = posixpath.dirname(path)
        if folder not in FOLDERS:
            raise FileNotFoundError
        if folder == "/" or path in FOLDERS:
            raise PermissionError


@dataclass
class IngestResult:
    """What the account's owner is told by e-mail. `failures` are the first lines that failed, with the reason."""

    name: str
    at: float
    rows: int = 0
    created: int = 0
    updated: int = 0
    failed: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    refused: str | None = None  # why the file as such could not be read

    def fail(self, line: int, reason: str) -> None:
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append((line, reason))

"""Putting one file in place: whole under a temporary name, then renamed, so that nobody takes half a file for one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import IO, TypeVar

import paramiko

from audience_assets.destinations.base import Misconfigured, Unavailable
from audience_assets.destinations.http import Patience
from audience_assets.destinations.klaviyo.sftp_connection import connected
from audience_assets.destinations.klaviyo.sftp_settings import SftpSettings

PART = ".part"

Result = TypeVar("Result")


class Uploader:
    """Puts files into the account's folder, a connection each. `tries` counts every connection so far."""

    def __init__(self, settings: SftpSettings, patience: Patience) -> None:
        self._settings = settings
        self._patience = patience
        self.tries = 0

    def put(self, name: str, content: IO[bytes]) -> None:
        """Put `content` into the folder as `name`, which must be new.

        When this returns the file is in place. Raises Unavailable after all tries, or Misconfigured, Unauthorized.
        """
        place = f"{self._settings.sftp_folder}/{name}"
        temporary = place + PART if self._settings.sftp_rename else place
        whole = False

        def work(sftp: paramiko.SFTPClient) -> None:
            nonlocal whole
            if not whole:
                _write(sftp, temporary, content)
                whole = True
            if temporary != place:
                _rename(sftp, temporary, place)

        self._patiently(work)

    def names(self) -> list[str]:
        """What is in the folder now."""
        return self._once(lambda sftp: sftp.listdir(self._settings.sftp_folder))

    def _patiently(self, work: Callable[[paramiko.SFTPClient], None]) -> None:
        waits = self._patience.waits()
        while True:
            try:
                return self._once(work)
            except Unavailable:
                wait = next(waits, None)
                if wait is None:
                    raise
                time.sleep(wait)

    def _once(self, work: Callable[[paramiko.SFTPClient], Result]) -> Result:
        self.tries += 1
        with connected(self._settings, self._patience.timeout) as sftp:
            try:
                return work(sftp)
            except PermissionError:
                folder = self._settings.sftp_folder or "/"
                raise Misconfigured(f"Klaviyo's SFTP host does not let this user write to {folder}.") from None
            except FileNotFoundError:
                raise Misconfigured(
                    f"There is no folder {self._settings.sftp_folder} at Klaviyo's SFTP host; see sftp_folder."
                ) from None
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise Unavailable(f"The SFTP transfer was cut off ({type(error).__name__}).") from error


def _write(sftp: paramiko.SFTPClient, place: str, content: IO[bytes]) -> None:
    """Write from the beginning, whatever an earlier try left there; the size is compared at the end."""
    content.seek(0)
    sftp.putfo(content, place, confirm=False)
    try:
        found = sftp.stat(place).st_size
    except FileNotFoundError:
        return  # taken, and cleared away
    if found != content.tell():
        raise OSError("the host has another size of it")


def _rename(sftp: paramiko.SFTPClient, temporary: str, place: str) -> None:
    """Nobody else has the name: if nothing has it any more, it was renamed by a try whose answer was lost, or taken."""
    with contextlib.suppress(FileNotFoundError):
        sftp.stat(temporary)
        sftp.rename(temporary, place)

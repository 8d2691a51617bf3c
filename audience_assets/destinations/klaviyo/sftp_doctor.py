"""What `doctor` proves of the way by SFTP: one connection and one look at the folder, nothing written."""

from __future__ import annotations

from collections.abc import Iterator

from audience_assets.destinations.base import DestinationError, Finding, Unauthorized
from audience_assets.destinations.http import Patience
from audience_assets.destinations.klaviyo.sftp_connection import HostNotKnown, private_key
from audience_assets.destinations.klaviyo.sftp_settings import SftpSettings
from audience_assets.destinations.klaviyo.sftp_upload import PART, Uploader


def examine(settings: SftpSettings, patience: Patience) -> Iterator[Finding]:
    """Findings in the order of the checks; the first bad one ends them."""
    where = f"{settings.sftp_host}:{settings.sftp_port}"
    try:
        key = private_key(settings)
    except DestinationError as error:
        yield Finding("SSH key", False, str(error))
        return
    yield Finding("SSH key", True, f"{key.get_name()} {key.fingerprint}")
    try:
        names = Uploader(settings, patience).names()
    except HostNotKnown as error:
        yield Finding("SFTP host", False, str(error))
        return
    except Unauthorized as error:
        yield Finding("SFTP host", True, f"{where} is the one expected")
        yield Finding("SFTP login", False, str(error))
        return
    except DestinationError as error:
        yield Finding("SFTP connection", False, str(error))
        return
    yield Finding("SFTP host", True, f"{where} is the one expected")
    yield Finding("SFTP login", True, f"{settings.sftp_username} may come in")
    left = sum(name.endswith(PART) for name in names)
    halves = f"; {left} unfinished ones of interrupted syncs can be deleted" if left else ""
    yield Finding("SFTP folder", True, f"{settings.sftp_folder} holds {len(names)} files{halves}")

"""Members delivered by file: what `sftp_import` does with all and `audience_list` with those of a large load."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from math import ceil

from audience_assets.destinations.base import CallEstimate, Connection, Endpoint, Member, Misconfigured, Report
from audience_assets.destinations.http import Patience
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.endpoints import CAPS, GET_PROFILES
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings
from audience_assets.destinations.klaviyo.sftp_owners import Owners
from audience_assets.destinations.klaviyo.sftp_parts import Parts, Put
from audience_assets.destinations.klaviyo.sftp_rows import IDENTIFIERS, Rows
from audience_assets.destinations.limits import floor_seconds

# How many files Klaviyo takes in which time is not documented; ours are few.
PUT_FILE = Endpoint("put_file", ())
# What a cell takes in a line, roughly.
CELL_BYTES = 25


class SftpDelivery:
    """The files of one sync, for one activation's mapping."""

    def __init__(self, settings: KlaviyoSettings, connection: Connection, client: KlaviyoClient | None) -> None:
        if not settings.has_sftp:
            raise Misconfigured(
                "Files need sftp_username, and sftp_private_key or sftp_private_key_file, in the destination."
            )
        self._settings = settings
        self._connection = connection
        mapped = connection.mapped
        self._looks_up = client is not None
        self._owners = Owners(client)
        self._rows = Rows(
            settings,
            [kind for kind in IDENTIFIERS if kind in mapped.identifiers],
            list(mapped.attributes),
            connection.default_region,
            self._owners,
        )

    @cached_property
    def _parts(self) -> Parts:
        from audience_assets.destinations.klaviyo.sftp_upload import Uploader  # noqa: PLC0415 - see sftp_connection

        uploader: Put = Uploader(self._settings, patience_of(self._settings))
        name = self._connection.activation or self._connection.list_name
        return Parts(uploader, name, self._settings.sftp_part_bytes, self._connection.now)

    def deliver(self, list_id: str | None, members: Sequence[Member]) -> Report:
        """A row makes or changes a profile, whoever it is of, and puts it into the list."""
        before = self._owners.calls
        lines, outcomes = self._rows.encoded(members, list_id)
        looked_up = self._owners.calls - before
        if not lines:
            return Report(outcomes, looked_up)
        delivery, calls = self._parts.gather(self._rows.header(list_id), lines)
        return Report(outcomes, calls=looked_up + calls, delivery=delivery)

    def removing(self) -> AbstractContextManager[None]:
        """While somebody is taken off the list no file is put in place."""
        return self._parts.removing()

    def flush(self) -> int:
        return self._parts.flush()

    def discard(self) -> None:
        self._parts.discard()

    def bytes_of(self, rows: int) -> int:
        """About how large so many rows are."""
        mapped = self._connection.mapped
        return rows * CELL_BYTES * (1 + len(mapped.identifiers) + len(mapped.attributes))

    def files(self, rows: int) -> int:
        """About how many files they take."""
        return ceil(self.bytes_of(rows) / self._settings.sftp_part_bytes)

    def calls(self, rows: int) -> list[CallEstimate]:
        """About the files, and the looks at whose further identifiers are."""
        counts = {PUT_FILE: self.files(rows), GET_PROFILES: self._lookups(rows)}
        return [CallEstimate(endpoint, count) for endpoint, count in counts.items() if count]

    def _lookups(self, rows: int) -> int:
        further = len(self._connection.mapped.identifiers) - 1
        return max(further, 0) * ceil(rows / CAPS.lookup) if self._looks_up else 0

    def seconds(self, rows: int) -> float:
        """About how long they take to be sent. What Klaviyo does with them afterwards takes its own time."""
        return max(self.bytes_of(rows) / self._settings.sftp_bytes_per_second, floor_seconds(self.calls(rows)))


def patience_of(settings: KlaviyoSettings) -> Patience:
    return Patience(tries=settings.tries, first_wait=settings.first_wait_seconds, timeout=settings.timeout_seconds)

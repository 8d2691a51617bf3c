"""`klaviyo.sftp_import`: profiles made and changed, and put into a list, by files over SFTP.

Klaviyo tells nobody but the account's owner, by e-mail, what became of a file's rows. So a member counts as delivered
once the file that holds them is in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from math import ceil
from typing import TypeVar

from pydantic import BaseModel

from audience_assets.destinations.base import (
    CallEstimate,
    Connection,
    Endpoint,
    Finding,
    ListRef,
    Mapped,
    MappingFault,
    Member,
    Misconfigured,
    Operation,
    RemoteMember,
    Report,
    ServiceSpec,
)
from audience_assets.destinations.http import Patience
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.lists import Lists
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, SftpImportOptions
from audience_assets.destinations.klaviyo.sftp_lists import ApiList, GivenList, NoList, Target
from audience_assets.destinations.klaviyo.sftp_parts import Parts, Put
from audience_assets.destinations.klaviyo.sftp_rows import IDENTIFIERS, Rows

Model = TypeVar("Model", bound=BaseModel)

BATCH_SIZES = dict.fromkeys(Operation, 1000)
# How many files Klaviyo takes in which time is not documented; ours are few.
PUT_FILE = Endpoint("put_file", ())
# A row with an address, a number, an id and a few attributes.
TYPICAL_ROW_BYTES = 200


class SftpImport:
    """The service at one account, for one activation's options and mapping."""

    def __init__(self, connection: Connection) -> None:
        self._settings = _typed(connection.settings, KlaviyoSettings)
        self._options = _typed(connection.options, SftpImportOptions)
        self._connection = connection
        if not self._settings.has_sftp:
            raise Misconfigured(
                "klaviyo.sftp_import needs sftp_username, and sftp_private_key or sftp_private_key_file."
            )
        mapped = connection.mapped
        self._rows = Rows(
            self._settings,
            [kind for kind in IDENTIFIERS if kind in mapped.identifiers],
            list(mapped.attributes),
            connection.default_region,
        )
        self._target = _target(self._settings, self._options, connection)

    @cached_property
    def _uploader(self) -> Put:
        from audience_assets.destinations.klaviyo.sftp_upload import Uploader  # noqa: PLC0415 - see sftp_connection

        return Uploader(self._settings, _patience(self._settings))

    @cached_property
    def _parts(self) -> Parts:
        name = self._connection.activation or self._connection.list_name
        return Parts(self._uploader, name, self._settings.sftp_part_bytes, self._connection.now)

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Connection, host key, private key, folder; see `destinations.klaviyo.sftp_doctor`."""
        from audience_assets.destinations.klaviyo.sftp_doctor import examine  # noqa: PLC0415 - see sftp_connection

        yield from examine(self._settings, _patience(self._settings))
        yield from self._target.check(list_name)

    def find_list(self, name: str) -> ListRef | None:
        return self._target.find(name)

    def get_list(self, list_id: str) -> ListRef:
        return self._target.get(list_id)

    def ensure_list(self, name: str) -> ListRef:
        return self._target.ensure(name)

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        list_id = self._target.row_id(target)
        lines, outcomes = self._rows.encoded(members, list_id)
        if not lines:
            return Report(outcomes)
        delivery, calls = self._parts.gather(self._rows.header(list_id), lines)
        return Report(outcomes, calls=calls, delivery=delivery)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        """A row makes or changes a profile, whoever it is of."""
        return self.add(target, members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        with self._parts.removing():
            return self._target.remove(target, members)

    def flush(self) -> int:
        return self._parts.flush()

    def discard(self) -> None:
        self._parts.discard()

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        return self._target.members(target)

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        files = files_for(adds + updates, self._settings)
        return [*([CallEstimate(PUT_FILE, files)] if files else []), *self._target.estimate(removes)]


def files_for(rows: int, settings: KlaviyoSettings) -> int:
    """About how many files so many rows take."""
    return ceil(rows * TYPICAL_ROW_BYTES / settings.sftp_part_bytes)


def _patience(settings: KlaviyoSettings) -> Patience:
    return Patience(tries=settings.tries, first_wait=settings.first_wait_seconds, timeout=settings.timeout_seconds)


def _target(settings: KlaviyoSettings, options: SftpImportOptions, connection: Connection) -> Target:
    if not options.add_to_list:
        return NoList(connection.list_name)
    if settings.api_key is not None:
        client = KlaviyoClient(settings, connection.limiter)
        keeps = options.leavers == "keep"
        return ApiList(client, Lists(client, options.opt_in_process), options.list_id, keeps, connection.default_region)
    if options.list_id is None:
        raise Misconfigured("Without an api_key klaviyo.sftp_import needs the option list_id, or add_to_list: false.")
    if options.leavers == "remove":
        raise Misconfigured("Taking leavers off the list needs an api_key: a file can't.")
    return GivenList(options.list_id, connection.list_name)


def _typed(value: BaseModel, model: type[Model]) -> Model:
    return value if isinstance(value, model) else model.model_validate(value.model_dump())


def _mapping_faults(settings: BaseModel | None, _: BaseModel, mapped: Mapped) -> Iterable[MappingFault]:
    if not mapped.identifiers:
        yield MappingFault(("identifiers",), "Klaviyo needs one of email, phone, external_id in every row")
    if settings is None:
        return
    given = _typed(settings, KlaviyoSettings)
    headers: dict[str, str] = {}
    for place, names in (("identifiers", mapped.identifiers), ("fields", mapped.attributes)):
        for name in names:
            first = headers.setdefault(given.header(name), name)
            if first != name:
                yield MappingFault((place, name), f"the columns of {first!r} and {name!r} would have the same header")


SFTP_IMPORT = ServiceSpec(
    name="klaviyo.sftp_import",
    title="Klaviyo SFTP import",
    description=(
        "Makes and changes Klaviyo profiles by files over SFTP, with chosen attributes, and puts them into a list. "
        "Nobody's consent changes."
    ),
    options_model=SftpImportOptions,
    creates_contacts=True,
    carries_attributes=True,
    carries_consent=False,
    batch_sizes=BATCH_SIZES,
    identifiers=lambda _: IDENTIFIERS,
    required=lambda _: (),
    tracked=lambda _: ("phone", "region", "external_id"),
    channels=lambda _: (),
    connect=SftpImport,
    mapping_faults=_mapping_faults,
)

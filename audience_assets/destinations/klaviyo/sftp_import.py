"""`klaviyo.sftp_import`: profiles made and changed, and put into a list, by files over SFTP.

Klaviyo tells nobody but the account's owner, by e-mail, what became of a file's rows. So a member counts as delivered
once the file that holds them is in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel

from audience_assets.destinations.base import (
    CallEstimate,
    Connection,
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
    typed,
)
from audience_assets.destinations.klaviyo import attributes
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.lists import Lists
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, SftpImportOptions
from audience_assets.destinations.klaviyo.sftp_delivery import SftpDelivery, patience_of
from audience_assets.destinations.klaviyo.sftp_lists import ApiList, GivenList, NoList, Target
from audience_assets.destinations.klaviyo.sftp_rows import IDENTIFIERS
from audience_assets.destinations.klaviyo.sftp_settings import header_faults

BATCH_SIZES = dict.fromkeys(Operation, 1000)


class SftpImport:
    """The service at one account, for one activation's options and mapping."""

    def __init__(self, connection: Connection) -> None:
        self._settings = typed(connection.settings, KlaviyoSettings)
        options = typed(connection.options, SftpImportOptions)
        client = KlaviyoClient(self._settings, connection.limiter) if self._settings.api_key is not None else None
        self._files = SftpDelivery(self._settings, connection, None if options.unchecked_identifiers else client)
        self._target = _target(client, options, connection)

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Connection, host key, private key, folder; see `destinations.klaviyo.sftp_doctor`."""
        from audience_assets.destinations.klaviyo.sftp_doctor import examine  # noqa: PLC0415 - see sftp_connection

        yield from examine(self._settings, patience_of(self._settings))
        yield from self._target.check(list_name)

    def find_list(self, name: str) -> ListRef | None:
        return self._target.find(name)

    def get_list(self, list_id: str) -> ListRef:
        return self._target.get(list_id)

    def ensure_list(self, name: str) -> ListRef:
        return self._target.ensure(name)

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._files.deliver(self._target.row_id(target), members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self.add(target, members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        with self._files.removing():
            return self._target.remove(target, members)

    def flush(self) -> int:
        return self._files.flush()

    def discard(self) -> None:
        self._files.discard()

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        return self._target.members(target)

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        return [*self._files.calls(adds + updates), *self._target.estimate(removes)]


def _target(client: KlaviyoClient | None, options: SftpImportOptions, connection: Connection) -> Target:
    if not options.add_to_list:
        return NoList(connection.list_name)
    if client is not None:
        keeps = options.leavers == "keep"
        return ApiList(client, Lists(client, options.opt_in_process), options.list_id, keeps, connection.default_region)
    if options.list_id is None:
        raise Misconfigured("Without an api_key klaviyo.sftp_import needs the option list_id, or add_to_list: false.")
    if options.leavers == "remove":
        raise Misconfigured("Taking leavers off the list needs an api_key: a file can't.")
    return GivenList(options.list_id, connection.list_name)


def _mapping_faults(settings: BaseModel | None, options: BaseModel, mapped: Mapped) -> Iterable[MappingFault]:
    if not mapped.identifiers:
        yield MappingFault(("identifiers",), "Klaviyo needs one of email, phone, external_id in every row")
    named = list(attributes.mapping_faults(mapped))
    yield from named
    if settings is None or named:
        return
    account = typed(settings, KlaviyoSettings)
    yield from header_faults(account, mapped)
    unchecked = typed(options, SftpImportOptions).unchecked_identifiers
    if account.api_key is None and len(mapped.identifiers) > 1 and not unchecked:
        message = "without an api_key nobody can tell whether a phone number or external id is somebody else's"
        hint = "map one identifier, or set the option unchecked_identifiers: true if they are surely nobody else's"
        yield MappingFault(("identifiers",), message, hint)


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

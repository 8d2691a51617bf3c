"""`klaviyo.audience_list`: a list that holds a segment's people, with chosen attributes; nobody's consent is touched.

Profiles are created where they are missing and changed where they are not, by bulk import; leavers are taken off the
list and stay what they are: subscribed, unsubscribed, suppressed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from math import ceil

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
    Route,
    ServiceSpec,
    typed,
)
from audience_assets.destinations.klaviyo.attributes import mapping_faults
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.doctor import examine_audience_list
from audience_assets.destinations.klaviyo.endpoints import (
    CAPS,
    GET_IMPORT_JOBS,
    GET_LIST_PROFILES,
    IMPORT_PROFILES,
    REMOVE_MEMBERS,
)
from audience_assets.destinations.klaviyo.import_jobs import ImportJobs
from audience_assets.destinations.klaviyo.import_rows import WIRE_NAMES, RowReader
from audience_assets.destinations.klaviyo.importing import Importing
from audience_assets.destinations.klaviyo.lists import Lists
from audience_assets.destinations.klaviyo.removing import Removing
from audience_assets.destinations.klaviyo.routes import API, AUTO, SFTP, routes
from audience_assets.destinations.klaviyo.settings import AudienceListOptions, KlaviyoSettings
from audience_assets.destinations.klaviyo.sftp_delivery import SftpDelivery, patience_of
from audience_assets.destinations.klaviyo.sftp_settings import header_faults
from audience_assets.destinations.limits import floor_seconds
from audience_assets.destinations.turns import Turns

# Klaviyo takes 10,000 in an import; sixteen batches of so many would not fit in memory.
BATCH_SIZES = {Operation.ADD: 2000, Operation.UPDATE: 2000, Operation.REMOVE: CAPS.remove}
# Readings of job states in an estimate: one for each job, as those at work at once share them; at least so many.
FEWEST_POLLS = 5
# What a row takes in an import, roughly: to estimate how many fit in five megabytes.
ROW_BYTES = 120
ATTRIBUTE_BYTES = 60


class AudienceList:
    """The service at one account, for one activation's options and one sync."""

    def __init__(self, connection: Connection) -> None:
        self._settings = typed(connection.settings, KlaviyoSettings)
        self._options = typed(connection.options, AudienceListOptions)
        self._client = KlaviyoClient(self._settings, connection.limiter)
        self._lists = Lists(self._client, self._options.opt_in_process)
        self._mapped = _sound(connection.mapped)
        self._reader = RowReader(
            types=connection.mapped.attributes,
            kinds=[kind for kind in WIRE_NAMES if kind in connection.mapped.identifiers],
            clears=self._options.nulls == "clear",
            default_region=connection.default_region,
        )
        self._files: SftpDelivery | None = None
        if self._options.route == SFTP or (self._options.route == AUTO and self._settings.has_sftp):
            self._files = SftpDelivery(self._settings, connection, self._client)
        self._by_file = False
        self._turns = Turns()
        self._slots = threading.Semaphore(self._settings.imports_in_flight)
        self._jobs: dict[str, ImportJobs] = {}
        self._making_jobs = threading.Lock()

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Credentials, revision, scopes and list; see `destinations.klaviyo.doctor`."""
        yield from examine_audience_list(self._client, list_name)
        if self._files is not None:
            from audience_assets.destinations.klaviyo.sftp_doctor import examine  # noqa: PLC0415 - see sftp_connection

            yield from examine(self._settings, patience_of(self._settings))

    def find_list(self, name: str) -> ListRef | None:
        return self._lists.find(name)

    def get_list(self, list_id: str) -> ListRef:
        return self._lists.get(list_id)

    def ensure_list(self, name: str) -> ListRef:
        return self._lists.ensure(name)

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        if self._files is not None and self._by_file:
            return self._files.deliver(target.id, members)
        return self._importing(target).add(members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        if self._files is None or not self._by_file:
            return self._importing(target).update(members)
        # What becomes empty is cleared by calls: what an empty cell does is not known.
        apart = [member for member in members if self._clears_something(member)]
        rest = [member for member in members if not self._clears_something(member)]
        told = self._importing(target).update(apart) if apart else Report()
        sent = self._files.deliver(target.id, rest)
        return Report([*told.outcomes, *sent.outcomes], told.calls + sent.calls, sent.delivery)

    def _clears_something(self, member: Member) -> bool:
        previous = member.previous or {}
        gone = (name for name in self._mapped.attributes if member.values.get(name) is None)
        return self._options.nulls == "clear" and any(previous.get(name) is not None for name in gone)

    def flush(self) -> int:
        return self._files.flush() if self._files is not None else 0

    def discard(self) -> None:
        if self._files is not None:
            self._files.discard()

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        with self._files.removing() if self._files is not None else nullcontext():
            return Removing(self._client, self._jobs_of(target), self._turns, target).remove(members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        for resource in self._client.members(target.id):
            found = resource.get("attributes") or {}
            identifiers = {"email": found.get("email"), "phone": found.get("phone_number")}
            yield RemoteMember(str(resource["id"]), identifiers)

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        """At most so many calls, if no row is refused and no job takes longer than a few readings of its state.

        Of a load by file, without the imports that clear attributes.
        """
        if self._files is None or not self._by_file:
            return self._calls(adds, updates, removes)
        return [*self._files.calls(adds + updates), *self._calls(0, 0, removes)]

    def _calls(self, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        imports = self._imports(adds) + self._imports(updates)
        calls = {
            # One look at earlier jobs, for every kind of change.
            GET_IMPORT_JOBS: self._polls(imports) + (1 if adds or updates or removes else 0),
            IMPORT_PROFILES: imports,
            GET_LIST_PROFILES: ceil(adds / self._rows_per_import) + ceil(removes / CAPS.lookup),
            REMOVE_MEMBERS: ceil(removes / CAPS.remove),
        }
        return [CallEstimate(endpoint, count) for endpoint, count in calls.items() if count]

    def choose_route(self, *, adds: int, updates: int, removes: int) -> list[Route]:
        """By calls or by file, see `routes`. Taking people off the list is always the API's, and takes as long."""
        if self._files is None:
            return []
        removing = floor_seconds(self._calls(0, 0, removes))
        by_calls = max(self.import_seconds(adds=adds, updates=updates), removing)
        by_file = max(self._files.seconds(adds + updates), removing)
        found = routes(by_calls, by_file, self._settings, self._options, self._mapped)
        self._by_file = any(each.chosen and each.name == SFTP for each in found)
        return found

    def import_seconds(self, *, adds: int, updates: int) -> float:
        """The shortest time in which Klaviyo's limits let that many people be imported.

        Klaviyo's own work on the jobs comes on top; how long it takes is not documented.
        """
        return floor_seconds(self._calls(adds, updates, 0))

    @property
    def _rows_per_import(self) -> int:
        by_size = CAPS.import_bytes // (ROW_BYTES + ATTRIBUTE_BYTES * len(self._mapped.attributes))
        return min(self._settings.profiles_per_import, BATCH_SIZES[Operation.ADD], by_size)

    def _imports(self, people: int) -> int:
        """Further identifiers take a second import."""
        return ceil(people / self._rows_per_import) * (2 if self._reader.kinds else 1)

    @staticmethod
    def _polls(imports: int) -> int:
        return max(FEWEST_POLLS, imports) if imports else 0

    def _importing(self, target: ListRef) -> Importing:
        return Importing(
            self._client, self._settings, self._jobs_of(target), self._turns, self._slots, self._reader, target
        )

    def _jobs_of(self, target: ListRef) -> ImportJobs:
        with self._making_jobs:
            made = ImportJobs(self._client, self._settings, target.id)
            return self._jobs.setdefault(target.id, made)


def _sound(mapped: Mapped) -> Mapped:
    """A checked project's mapping has no faults. Misconfigured."""
    faults = [f"{each.message} ({each.hint})" if each.hint else each.message for each in mapping_faults(mapped)]
    if faults:
        raise Misconfigured("; ".join(faults))
    return mapped


def _mapping_faults(settings: BaseModel | None, options: BaseModel, mapped: Mapped) -> Iterator[MappingFault]:
    named = list(mapping_faults(mapped))
    yield from named
    route = typed(options, AudienceListOptions).route
    if settings is None or route == API or named:
        return
    account = typed(settings, KlaviyoSettings)
    if account.has_sftp:
        yield from header_faults(account, mapped)
    elif route == SFTP:
        hint = "give the destination sftp_username, and sftp_private_key or sftp_private_key_file"
        yield MappingFault((), "the option route is sftp, and there is no way in by SFTP", hint)


AUDIENCE_LIST = ServiceSpec(
    name="klaviyo.audience_list",
    title="Klaviyo audience list",
    description=(
        "Puts people into a Klaviyo list when they enter the audience, creating profiles that are missing, keeps "
        "chosen attributes of its members up to date, and takes people off the list when they leave. Nobody's consent "
        "is changed."
    ),
    options_model=AudienceListOptions,
    creates_contacts=True,
    carries_attributes=True,
    carries_consent=False,
    batch_sizes=BATCH_SIZES,
    identifiers=lambda _: ("email",),
    required=lambda _: ("email",),
    tracked=lambda _: ("phone", "region", "external_id"),
    channels=lambda _: (),
    connect=AudienceList,
    optional_identifiers=("email", *WIRE_NAMES),
    mapping_faults=_mapping_faults,
)

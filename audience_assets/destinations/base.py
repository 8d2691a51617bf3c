"""The one interface every destination fulfils, and all the engine knows of a vendor.

A service does one operation on one batch and says what became of each member. The engine does everything
else (diff, batch numbers, concurrency, acknowledgement, guards). Nothing here knows Dagster, SQL or YAML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

# What a service raises is part of the interface.
from audience_assets.destinations.failures import BadBatch as BadBatch
from audience_assets.destinations.failures import BadRow as BadRow
from audience_assets.destinations.failures import BadRows as BadRows
from audience_assets.destinations.failures import DestinationError as DestinationError
from audience_assets.destinations.failures import ListMissing as ListMissing
from audience_assets.destinations.failures import Misconfigured as Misconfigured
from audience_assets.destinations.failures import Throttled as Throttled
from audience_assets.destinations.failures import Unauthorized as Unauthorized
from audience_assets.destinations.failures import Unavailable as Unavailable

Declared = TypeVar("Declared", bound=BaseModel)


class Operation(StrEnum):
    """What a batch does to the list."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(slots=True)
class Evidence:
    """What our side knows of one person's consent on one channel.

    `status` is the newest entry of the consent history ("opted_in", "opted_out" or None when unknown) and
    `at` its time with a zone, None of an opt-out whose time is not known. `own_opt_out_at` is when we ourselves last
    opted the person out (they left the segment) and nothing of ours came after, and `own_opt_out_address` at which
    address; None if we did not. Of members who are removed `status` and `at` are our own last write, certain or not.
    """

    status: str | None = None
    at: datetime | None = None
    own_opt_out_at: datetime | None = None
    own_opt_out_address: str | None = None


@dataclass(slots=True)
class Member:
    """One row of a batch.

    `identifier` is the ledger's key and stays the same for a member's whole life in the list. `values` holds the
    mapped columns by vendor attribute name ("email", "phone", "region", attributes). `previous` holds what was
    acknowledged last time (updates and removals). `vendor_id` is what the vendor called the contact, if known.
    """

    identifier: str
    values: dict[str, Any]
    vendor_id: str | None = None
    previous: dict[str, Any] | None = None
    evidence: dict[str, Evidence] = field(default_factory=dict)


class Status(StrEnum):
    """What became of a member."""

    ACCEPTED = "accepted"
    ABSENT = "absent"  # the vendor knows no such contact; tried again on every later sync
    REJECTED = "rejected"  # refused, with a reason
    KEPT = "kept"  # left the audience, and nothing can take them off the list: no member of ours any more
    RETRY = "retry"  # not decided; the next sync decides anew
    REENTERS = "reenters"  # updates: another contact by now, who leaves the list first and enters it in a later sync


class Recheck(StrEnum):
    """When a rejected row is worth another try."""

    NEXT_SYNC = "next_sync"
    WHEN_CHANGED = "when_changed"  # only when its columns or its consent change in the warehouse


@dataclass(slots=True)
class Issue:
    """Why a row, or one channel or attribute of an accepted row, was not delivered. No personal data in its texts.

    `channel` names the channel, or the attribute at the vendor.
    """

    reason: str
    detail: str | None = None
    channel: str | None = None
    recheck: Recheck = Recheck.WHEN_CHANGED


@dataclass(slots=True)
class ConsentWrite:
    """One consent that we wrote at the vendor, for the consent log."""

    channel: str
    address: str
    status: str  # "subscribed" | "unsubscribed"
    basis: str  # "segment_entry" | "consent_history" | "segment_exit" | "address_changed"
    consented_at: datetime | None = None
    request_id: str | None = None
    # False when the person was opted out already, and not by us: then the opt-out is theirs.
    changed: bool = True
    # False when the answer was lost every time: it may have been written.
    certain: bool = True


@dataclass(slots=True)
class Outcome:
    """What became of one member. `issues` on an accepted member are channels that did not get through."""

    identifier: str
    status: Status = Status.ACCEPTED
    vendor_id: str | None = None
    issues: list[Issue] = field(default_factory=list)
    consents: list[ConsentWrite] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What became of a batch. A member without an outcome was accepted as it stood.

    A batch that was only gathered (`Gathers`) has a `delivery`: what is said here counts once that is done, and its
    error is the error of every batch in it.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    calls: int = 0
    delivery: Future[None] | None = None


@dataclass(frozen=True, slots=True)
class RateWindow:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A vendor call with its rate limits. Calls with one `bucket` are counted together; without one each for itself."""

    name: str
    windows: tuple[RateWindow, ...]
    bucket: str | None = None

    @property
    def key(self) -> str:
        """The limiter's key within one account."""
        return self.bucket or self.name


@dataclass(frozen=True, slots=True)
class CallEstimate:
    """How often a plan will call an endpoint."""

    endpoint: Endpoint
    calls: int


@dataclass(frozen=True, slots=True)
class ListRef:
    """A list at the vendor. `facts` are shown to the user before the first send, e.g. the opt-in process.

    `confirms` says that people join only once they answer a message, so that a member who was accepted may never be
    listed. `get_list` tells it.
    """

    id: str
    name: str
    created: bool = False
    url: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    confirms: bool = False


@dataclass(frozen=True, slots=True)
class RemoteMember:
    """A member as the vendor's list holds it; identifiers by kind, as the vendor writes them."""

    vendor_id: str
    identifiers: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of `doctor`."""

    check: str
    ok: bool
    message: str


class ListService(Protocol):
    """One service at one account, for one sync. Methods run on several threads at once, a batch each."""

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Prove credentials, permissions, revision and list with one cheap call each."""
        ...

    def find_list(self, name: str) -> ListRef | None:
        """The list of that name, without creating it. Two of one name are Misconfigured."""
        ...

    def get_list(self, list_id: str) -> ListRef:
        """The list of that id; ListMissing if the vendor has it no more."""
        ...

    def ensure_list(self, name: str) -> ListRef:
        """Find by name or create; an existing list is adopted as it is."""
        ...

    def add(self, target: ListRef, members: Sequence[Member]) -> Report: ...

    def update(self, target: ListRef, members: Sequence[Member]) -> Report: ...

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report: ...

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        """Everybody in the list now, in a stream: for reconciliation."""
        ...

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        """Calls by endpoint for that many changes."""
        ...


@runtime_checkable
class KeepsList(Protocol):
    """A service whose options say something of the list itself, e.g. who may see it."""

    def keep_list(self, target: ListRef) -> ListRef:
        """Make the list at the vendor as the options say, if it is not. Called before every delivery."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """One way to deliver a plan: how long it takes at best, whether it is taken, and what to know of it."""

    name: str
    seconds: float
    chosen: bool
    note: str = ""


@runtime_checkable
class HasRoutes(Protocol):
    """A service that can deliver in several ways, e.g. by calls or by a file."""

    def choose_route(self, *, adds: int, updates: int, removes: int) -> list[Route]:
        """Every way for so many changes; the chosen one is taken from now on. Called once a plan, before `estimate`."""
        ...


@runtime_checkable
class Gathers(Protocol):
    """A service that gathers batches and delivers many at once, e.g. in a file. Their reports name the `delivery`."""

    def flush(self) -> int:
        """No more batches come: deliver what is gathered. Returns the calls it took.

        Every `delivery` is done then, and errors are told there.
        """
        ...

    def discard(self) -> None:
        """Let go of what is gathered and not delivered; nothing if there is nothing."""
        ...


@dataclass(frozen=True)
class Mapped:
    """What an activation maps: identifiers and attributes at the vendor, each with its field's type ("text", ...)."""

    identifiers: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MappingFault:
    """What a service can't do with a mapping. `place` is the setting under `mapping`, e.g. ("fields", "plan")."""

    place: tuple[str, ...]
    message: str
    hint: str | None = None


@dataclass(frozen=True)
class ServiceSpec:
    """What a service declares of itself. Read by the project check, the planner and the docs.

    `identifiers(options)` are the mapped identifiers in order of preference: the first one a user has is the
    member's ledger key. `required(options)` must be mapped. `tracked(options)` are the mapped columns, besides
    the identifier, whose change is an update at the vendor; `carries_attributes` adds every mapped field.
    `mapping_faults(settings, options, mapped)` says what else is wrong with a mapping; settings are None where they are
    not known before the sync.
    """

    name: str
    title: str
    description: str
    options_model: type[BaseModel]
    creates_contacts: bool
    carries_attributes: bool
    carries_consent: bool
    batch_sizes: Mapping[Operation, int]
    identifiers: Callable[[BaseModel], Sequence[str]]
    required: Callable[[BaseModel], Sequence[str]]
    tracked: Callable[[BaseModel], Sequence[str]]
    channels: Callable[[BaseModel], Sequence[str]]
    connect: Callable[[Connection], ListService]
    optional_identifiers: tuple[str, ...] = ()
    mapping_faults: Callable[[BaseModel | None, BaseModel, Mapped], Iterable[MappingFault]] | None = None
    # What to know when lists of one account share a channel; None where leaving one never opts out of another.
    shared_opt_out: str | None = None
    # Why a list of that name can't be, before anything is asked of the vendor; None where it can.
    name_fault: Callable[[str], str | None] | None = None
    # Hours from a delivery until the vendor has everybody ready to be written to: about a day at e-mail platforms, one
    # where a file is stored, two where people are matched for advertising.
    lead_hours: int = 24
    # Why all lists of one account should match people by the same identifier; None where that does not matter.
    one_identifier: str | None = None


class Limiter(Protocol):
    """Lets a call through when no window of its endpoint would be exceeded, and blocks until then."""

    def acquire(self, endpoint: Endpoint) -> None: ...

    def hold(self, endpoint: Endpoint, seconds: float) -> None:
        """Let no call of the endpoint through for that long, in any process: the vendor said so (Retry-After)."""
        ...


@dataclass(frozen=True)
class Connection:
    """What a service is built from: checked settings and options, the mapping, the account's limiter, a clock.

    `activation` and `list_name` are the names of what is delivered, for whatever the service calls after them.
    """

    settings: BaseModel
    options: BaseModel
    resubscribe: str
    import_history: bool
    default_region: str | None
    limiter: Limiter
    now: Callable[[], datetime]
    mapped: Mapped = field(default_factory=Mapped)
    activation: str = ""
    list_name: str = ""


def typed(value: BaseModel, model: type[Declared]) -> Declared:
    """Settings or options as the service's own model, which they are unless another model was checked."""
    return value if isinstance(value, model) else model.model_validate(value.model_dump())


@dataclass(frozen=True)
class DestinationType:
    """A vendor: its settings and services. One folder under `destinations/`, one line in the registry."""

    name: str
    title: str
    settings_model: type[BaseModel]
    services: Mapping[str, ServiceSpec]
    # Names the account for pools, limits and logs without revealing the key.
    account: Callable[[BaseModel], str]
    secret_fields: tuple[str, ...] = ()
    # What an activation means that names no service. Without it, one of a vendor with several has to.
    usual_service: str | None = None

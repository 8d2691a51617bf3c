"""`klaviyo.subscription_list`: entering the audience opts in and adds to the list, leaving opts out and removes.

Only contacts that Klaviyo knows are touched; unknown people are absent and tried again on every sync.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil

from pydantic import BaseModel

from audience_assets.destinations.base import (
    CallEstimate,
    Connection,
    Finding,
    ListRef,
    Member,
    Operation,
    RemoteMember,
    Report,
    ServiceSpec,
    typed,
)
from audience_assets.destinations.klaviyo.changing import Changing
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.doctor import examine
from audience_assets.destinations.klaviyo.endpoints import (
    CAPS,
    GET_LIST_PROFILES,
    GET_PROFILES,
    SUBSCRIBE,
    UNSUBSCRIBE,
)
from audience_assets.destinations.klaviyo.entering import Entering
from audience_assets.destinations.klaviyo.leaving import Leaving
from audience_assets.destinations.klaviyo.lists import OPT_IN_PROCESS, SINGLE_OPT_IN, Lists
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, SubscriptionListOptions
from audience_assets.destinations.klaviyo.unsettled import Claims

BATCH_SIZES = {
    Operation.ADD: CAPS.subscribe,
    Operation.UPDATE: CAPS.lookup,
    Operation.REMOVE: CAPS.unsubscribe,
}


class SubscriptionList:
    """The service at one account, for one activation's options."""

    def __init__(self, connection: Connection) -> None:
        self._settings = typed(connection.settings, KlaviyoSettings)
        self._options = typed(connection.options, SubscriptionListOptions)
        self._connection = connection
        self._client = KlaviyoClient(self._settings, connection.limiter)
        self._lists = Lists(self._client, self._options.opt_in_process or "double_opt_in")
        self._claims = Claims()

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        """Credentials, revision, scopes and list; see `destinations.klaviyo.doctor`."""
        return examine(self._client, list_name, self._options.channels)

    def find_list(self, name: str) -> ListRef | None:
        return self._lists.find(name)

    def get_list(self, list_id: str) -> ListRef:
        found = self._lists.get(list_id)
        # Imported consent needs no confirmation, whatever the list's process.
        confirms = found.facts[OPT_IN_PROCESS] != SINGLE_OPT_IN and not self._connection.import_history
        return replace(found, confirms=confirms)

    def ensure_list(self, name: str) -> ListRef:
        """Found by name or created with the options' opt-in process (double opt-in unless said otherwise)."""
        return self._lists.ensure(name)

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._entering(target).deliver(members, self._options.channels)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        changing = Changing(self._entering(target), self._leaving(target), self._options.channels)
        return changing.deliver(members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._leaving(target).deliver(members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        for resource in self._client.members(target.id):
            attributes = resource.get("attributes") or {}
            identifiers = {"email": attributes.get("email"), "phone": attributes.get("phone_number")}
            yield RemoteMember(str(resource["id"]), identifiers)

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        """At most so many calls. Fewer if nobody is subscribed yet (no membership checks) or nobody is known."""
        channels = len(self._options.channels)
        texts = "sms" in self._options.channels
        per_lookup = [ceil(count / CAPS.lookup) for count in (adds, updates, removes)]
        # Numbers that are new to Klaviyo go in requests of their own.
        requests = channels + texts
        calls = {
            GET_PROFILES: channels * (per_lookup[0] + per_lookup[1]),
            GET_LIST_PROFILES: channels * sum(per_lookup) + per_lookup[1],
            SUBSCRIBE: requests * ceil(adds / BATCH_SIZES[Operation.ADD]) + requests * per_lookup[1],
            UNSUBSCRIBE: ceil(removes / CAPS.unsubscribe) + per_lookup[1],
        }
        return [CallEstimate(endpoint, count) for endpoint, count in calls.items() if count]

    def _entering(self, target: ListRef) -> Entering:
        source = self._options.custom_source or f"audience-assets: {target.name}"
        return Entering(self._client, self._connection, source, target, self._claims)

    def _leaving(self, target: ListRef) -> Leaving:
        return Leaving(
            self._client,
            target,
            self._options.channels,
            self._connection.default_region,
            self._settings.settle_seconds,
            self._claims,
            self._connection.now,
        )


def _options(options: BaseModel) -> SubscriptionListOptions:
    return typed(options, SubscriptionListOptions)


def _identifiers(options: BaseModel) -> list[str]:
    return ["phone" if channel == "sms" else "email" for channel in _options(options).channels]


def _tracked(options: BaseModel) -> list[str]:
    """Beside an e-mail address, a changed number is an update; where the number is the identifier, a new member."""
    return ["phone", "region"] if _options(options).channels == ("email", "sms") else []


SUBSCRIPTION_LIST = ServiceSpec(
    name="klaviyo.subscription_list",
    title="Klaviyo subscription list",
    description=(
        "Opts existing Klaviyo contacts in on the chosen channels and adds them to a list when they enter the "
        "audience; opts them out and removes them when they leave."
    ),
    options_model=SubscriptionListOptions,
    creates_contacts=False,
    carries_attributes=False,
    carries_consent=True,
    batch_sizes=BATCH_SIZES,
    identifiers=_identifiers,
    required=_identifiers,
    tracked=_tracked,
    channels=lambda options: _options(options).channels,
    connect=SubscriptionList,
    optional_identifiers=("email", "phone"),
    shared_opt_out=(
        "With the account's global-unsubscribe setting on, which Klaviyo recommends, who leaves one of these lists is "
        "opted out of them all and stays a member of the others. Use one subscription list an account, or turn that "
        "setting off."
    ),
)

"""What subscribing, confirming and unsubscribing do to an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audience_assets.sandbox.klaviyo.consents import (
    EMAIL,
    LIFTED_BY_SUBSCRIBE,
    NEVER_SUBSCRIBED,
    SUBSCRIBED,
    UNSUBSCRIBED,
    Consent,
    ConsentChange,
)
from audience_assets.sandbox.klaviyo.lists import DOUBLE
from audience_assets.sandbox.klaviyo.phones import region_of
from audience_assets.sandbox.klaviyo.profiles import Profile

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount

METHODS = {"subscribe": "API", "unsubscribe": "API", "confirmation": "API", "seed": "API", "person": "PREFERENCE_PAGE"}


@dataclass(frozen=True, slots=True)
class Write:
    """The circumstances of a consent write. Times are seconds since 1970; see `ConsentChange`."""

    at: float
    requested_at: float
    origin: str
    consented_at: float | None = None
    custom_detail: str | None = None
    list_id: str | None = None
    request_id: str | None = None
    double_optin: bool = False
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One row of a subscribe call: a consent date (None: now) for each channel, "email.marketing" etc."""

    profile_id: str | None
    email: str | None
    phone: str | None
    channels: Mapping[str, float | None]
    push_tokens: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SubscribeJob:
    """An accepted subscribe call."""

    rows: Sequence[Subscriber]
    list_id: str | None
    custom_source: str | None
    historical: bool
    requested_at: float
    request_id: str

    def write(self, at: float, consented_at: float | None, origin: str = "subscribe") -> Write:
        return Write(
            at,
            self.requested_at,
            origin,
            consented_at=consented_at,
            custom_detail=self.custom_source,
            list_id=self.list_id,
            request_id=self.request_id,
            double_optin=origin == "confirmation",
        )


@dataclass(slots=True)
class PendingOptIn:
    """A confirmation message on its way to one address."""

    row: Subscriber
    job: SubscribeJob
    channels: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnsubscribeJob:
    """An accepted unsubscribe call: (email, phone, channels, push tokens) by row."""

    rows: Sequence[tuple[str | None, str | None, Sequence[str], Sequence[str]]]
    list_id: str | None
    requested_at: float
    request_id: str


def write_consent(
    account: KlaviyoAccount, profile: Profile, channel: str, status: str, write: Write, *, only_list: bool = False
) -> None:
    """Set one channel's consent and its suppressions, and note it in the audit.

    `only_list` is an opt-out from one list where the account does not unsubscribe globally: the consent stays.
    """
    held = profile.ensure_permissions()
    before = held.status(channel)
    after = before if only_list else status
    consented_at = write.at if write.consented_at is None else write.consented_at
    if not only_list:
        held.consents[channel] = Consent(
            status,
            None if status == NEVER_SUBSCRIBED else consented_at,
            write.at,
            METHODS[write.origin],
            write.custom_detail,
            write.double_optin,
        )
    if channel == EMAIL:
        if status == SUBSCRIBED:
            held.lift(LIFTED_BY_SUBSCRIBE, write.list_id)
        elif status == UNSUBSCRIBED:
            held.suppress("UNSUBSCRIBE", write.at, write.list_id if only_list else None)
    profile.updated = max(profile.updated, write.at)
    account.record(
        ConsentChange(
            write.at,
            write.requested_at,
            profile.id,
            profile.email,
            profile.phone_number,
            channel,
            before,
            after,
            consented_at,
            write.origin,
            write.list_id,
            write.request_id,
            write.escalated,
        )
    )


def subscribe(account: KlaviyoAccount, job: SubscribeJob, at: float) -> None:
    """Carry out a subscribe call: at once, or by a confirmation message where double opt-in rules."""
    target = account.find_list(job.list_id) if job.list_id else None
    process = target.opt_in_process if target is not None else account.settings.default_opt_in
    for row in job.rows:
        profile = _find(account, row)
        if process != DOUBLE or job.historical:
            _subscribe_now(account, job, row, profile, row.channels, at)
            continue
        waiting = _to_confirm(account, job, row, profile)
        now = {name: when for name, when in row.channels.items() if name not in waiting}
        if now:
            _subscribe_now(account, job, row, profile, now, at)
        elif profile is None and account.switches.pending_creates_profile:
            _identify(account, account.profiles.create(at), row)
        for medium, address in (("email", row.email), ("sms", row.phone)):
            channels = {name: row.channels[name] for name in waiting if name.startswith(medium)}
            if channels and address:
                account.pending[address.lower(), job.list_id, medium] = PendingOptIn(row, job, channels)


def _to_confirm(account: KlaviyoAccount, job: SubscribeJob, row: Subscriber, profile: Profile | None) -> set[str]:
    """The channels of a row for which a confirmation message goes out."""
    waiting = {name for name in row.channels if name.startswith(("email.", "sms."))}
    if row.phone and region_of(row.phone) in account.switches.sms_single_opt_in:
        waiting = {name for name in waiting if not name.startswith("sms.")}
    if profile is None or profile.permissions is None:
        return waiting
    target = account.find_list(job.list_id) if job.list_id else None
    if account.switches.subscribed_must_confirm and target is not None and profile.number not in target:
        return waiting
    return {name for name in waiting if profile.permissions.status(name) != SUBSCRIBED}


def confirm(account: KlaviyoAccount, address: str, list_id: str | None, at: float) -> int:
    """A person confirms: by mail the e-mail channels, by text message those of the e-mail as well."""
    keys = [k for k in account.pending if k[0] == address.lower() and list_id in (None, k[1])]
    for key in keys:
        pending = account.pending.pop(key, None)
        if pending is None:
            continue
        channels = dict(pending.channels)
        if key[2] == "sms" and pending.row.email:
            mail = account.pending.pop((pending.row.email.lower(), key[1], "email"), None)
            channels |= mail.channels if mail else {}
        profile = _find(account, pending.row)
        _subscribe_now(account, pending.job, pending.row, profile, channels, at, origin="confirmation")
    return len(keys)


def _subscribe_now(
    account: KlaviyoAccount,
    job: SubscribeJob,
    row: Subscriber,
    profile: Profile | None,
    channels: Mapping[str, float | None],
    at: float,
    origin: str = "subscribe",
) -> None:
    if profile is None:
        profile = account.profiles.create(at)
    _identify(account, profile, row)
    for channel, consented_at in channels.items():
        write_consent(account, profile, channel, SUBSCRIBED, job.write(at, consented_at, origin))
    if row.push_tokens:
        tokens = profile.ensure_permissions().push_tokens
        tokens += [token for token in row.push_tokens if token not in tokens]
    target = account.find_list(job.list_id) if job.list_id else None
    if target is not None:
        target.add(profile.number, at)


def _find(account: KlaviyoAccount, row: Subscriber) -> Profile | None:
    """By id, else e-mail, else phone."""
    if row.profile_id:
        profile = account.profiles.by_id(row.profile_id)
        if profile is not None:
            return profile
    return find_by_address(account, row.email, row.phone)


def find_by_address(account: KlaviyoAccount, email: str | None, phone: str | None) -> Profile | None:
    profile = account.profiles.find("email", email) if email else None
    if profile is None and phone:
        profile = account.profiles.find("phone_number", phone)
    return profile


def _identify(account: KlaviyoAccount, profile: Profile, row: Subscriber) -> None:
    """Store the row's identifiers, unless another profile has them."""
    for name, value in (("email", row.email), ("phone_number", row.phone)):
        if value:
            account.profiles.identify(profile, name, value)


def unsubscribe(account: KlaviyoAccount, job: UnsubscribeJob, at: float) -> None:
    """Carry out an unsubscribe call.

    Members leave the list and are opted out. Whoever is not in the named list is unsubscribed globally, and
    whoever is unknown becomes a profile first.
    """
    target = account.find_list(job.list_id) if job.list_id else None
    for email, phone, channels, tokens in job.rows:
        profile = find_by_address(account, email, phone)
        if profile is None:
            profile = account.profiles.create(at)
        _identify(account, profile, Subscriber(None, email, phone, {}))
        member = target is not None and target.remove(profile.number)
        list_only = member and not account.settings.global_unsubscribe
        write = Write(
            at,
            job.requested_at,
            "unsubscribe",
            list_id=job.list_id,
            request_id=job.request_id,
            escalated=job.list_id is not None and not member,
        )
        for channel in channels:
            # Only e-mail knows an opt-out from a single list.
            only_list = list_only and channel == EMAIL
            write_consent(account, profile, channel, UNSUBSCRIBED, write, only_list=only_list)
        held = profile.ensure_permissions()
        held.push_tokens = [token for token in held.push_tokens if token not in tokens]

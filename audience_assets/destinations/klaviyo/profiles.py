"""Profiles as Klaviyo answers them, reduced to what consent decisions need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from audience_assets.destinations.base import Misconfigured
from audience_assets.destinations.identifiers import Refused, normal_phone

_E164 = re.compile(r"\+[1-9]\d{6,14}")

# Suppressions that say nothing of a person's will; subscribing does not lift them. Every other reason is an opt-out to
# respect, also one that we have never heard of: the reasons of a list's own suppressions are not documented.
NO_OPT_OUT = frozenset({"HARD_BOUNCE", "INVALID_EMAIL"})
# What our unsubscribe call leaves behind; complaints and suppressions by hand are never ours.
OUR_SUPPRESSIONS = frozenset({"UNSUBSCRIBE", "UNSUBSCRIBED"})


@dataclass(slots=True)
class OptOut:
    """The person, or somebody for them, said no. `at` is None where Klaviyo gives no time."""

    at: datetime | None
    may_be_ours: bool = True


@dataclass(slots=True)
class ChannelConsent:
    """One channel of one profile. `source` is the custom source of the last consent record."""

    subscribed: bool = False
    at: datetime | None = None
    source: str | None = None
    opt_outs: list[OptOut] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Subscribed, with nothing that a subscribe call would lift."""
        return self.subscribed and not self.opt_outs


@dataclass(slots=True)
class Profile:
    """A contact. `phone` is E.164 where Klaviyo's (old data may be written otherwise) can be read as such."""

    id: str
    email: str | None
    phone: str | None
    consents: dict[str, ChannelConsent]

    def address(self, channel: str) -> str | None:
        """What the channel reaches the person by."""
        return self.email if channel == "email" else self.phone


def read_profile(resource: Mapping[str, Any], list_id: str | None = None) -> Profile:
    """From a `profile` resource fetched with additional-fields subscriptions; list suppressions count for `list_id`."""
    attributes = resource.get("attributes") or {}
    subscriptions = attributes.get("subscriptions")
    if not isinstance(subscriptions, dict):
        # Not knowing of an opt-out is not the same as there being none.
        raise Misconfigured(
            "Klaviyo does not tell the consent of profiles; without it nobody can be subscribed safely."
        )
    email = attributes.get("email")
    return Profile(
        id=str(resource["id"]),
        email=email.strip().lower() if email else None,
        phone=_phone(attributes.get("phone_number")),
        consents={
            channel: _consent((subscriptions.get(channel) or {}).get("marketing") or {}, list_id)
            for channel in ("email", "sms")
        },
    )


def alike(first: Profile, second: Profile) -> Profile:
    """Two profiles with one address, which Klaviyo should not have: the first, and what either says of opting out."""
    chosen, other = sorted((first, second), key=lambda profile: profile.id)
    for channel, held in chosen.consents.items():
        held.opt_outs += other.consents[channel].opt_outs
    return chosen


def _phone(raw: str | None) -> str | None:
    if not raw or _E164.fullmatch(raw):
        return raw or None
    number = normal_phone(raw)
    return raw if isinstance(number, Refused) else number


def _consent(marketing: Mapping[str, Any], list_id: str | None) -> ChannelConsent:
    status = marketing.get("consent")
    recorded = read_time(marketing.get("consent_timestamp"))
    return ChannelConsent(
        subscribed=status == "SUBSCRIBED",
        at=recorded,
        source=marketing.get("custom_method_detail"),
        opt_outs=list(_opt_outs(marketing, status, recorded, list_id)),
    )


def _opt_outs(
    marketing: Mapping[str, Any], status: str | None, recorded: datetime | None, list_id: str | None
) -> Iterator[OptOut]:
    if status == "UNSUBSCRIBED":
        # Which of the two is the opt-out's is not documented; the later one is the safe reading.
        times = [time for time in (recorded, read_time(marketing.get("last_updated"))) if time]
        yield OptOut(max(times) if times else None)
    of_the_list = [each for each in marketing.get("list_suppressions") or () if each.get("list_id") == list_id]
    for suppression in [*(marketing.get("suppression") or ()), *of_the_list]:
        reason = str(suppression.get("reason")).upper()
        if reason not in NO_OPT_OUT:
            yield OptOut(read_time(suppression.get("timestamp")), reason in OUR_SUPPRESSIONS)


def read_time(value: Any) -> datetime | None:
    """A Klaviyo timestamp, with or without microseconds; without a zone it is UTC."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def write_time(moment: datetime) -> str:
    """ISO 8601 with Z: a time without a zone would be read as UTC and may land in the future."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

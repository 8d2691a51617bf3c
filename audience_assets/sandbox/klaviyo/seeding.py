"""Contacts that are there before the story begins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.klaviyo import subscriptions

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount

SPECIAL = frozenset({"email", "phone_number", "external_id", "consents", "lists", "created"})
CHANNELS = {"email": "email.marketing", "sms": "sms.marketing"}


def add_profile(account: KlaviyoAccount, row: Mapping[str, Any], now: float) -> int:
    """Create one contact; 0 when one of its identifiers is taken. The row is as in `add_profiles`."""
    profiles = account.profiles
    for name in ("email", "phone_number", "external_id"):
        value = row.get(name)
        if value is not None and profiles.find(name, value) is not None:
            return 0
    created = row.get("created")
    profile = profiles.create(_moment(created, now))
    for name in ("email", "phone_number", "external_id"):
        value = row.get(name)
        if value is not None:
            profiles.identify(profile, name, value)
    if any(name not in SPECIAL for name in row):
        profile.attributes = {name: value for name, value in row.items() if name not in SPECIAL}
    for channel, consent in (row.get("consents") or {}).items():
        wanted = {"status": consent} if isinstance(consent, str) else consent
        moment = _moment(wanted.get("at"), now)
        written = subscriptions.Write(moment, moment, "seed", consented_at=moment)
        name = CHANNELS.get(channel, channel)
        subscriptions.write_consent(account, profile, name, wanted["status"], written)
    for list_id in row.get("lists") or ():
        found = account.find_list(list_id)
        if found is None:
            raise LookupError(f"there is no list {list_id!r}")
        found.add(profile.number, now)
    return 1


def _moment(value: Any, default: float) -> float:
    """From a datetime, an ISO text or seconds."""
    if value is None:
        return default
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.timestamp() if isinstance(value, datetime) else float(value)

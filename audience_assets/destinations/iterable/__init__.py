"""Iterable: settings, wire client and the service for static lists."""

from __future__ import annotations

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.iterable.contact_list import CONTACT_LIST
from audience_assets.destinations.iterable.settings import IterableSettings, account_name

ITERABLE = DestinationType(
    name="iterable",
    title="Iterable",
    settings_model=IterableSettings,
    services={CONTACT_LIST.name: CONTACT_LIST},
    account=account_name,
    secret_fields=("api_key",),
)

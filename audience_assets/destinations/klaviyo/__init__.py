"""Klaviyo: settings, wire client and services."""

from __future__ import annotations

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, account_name
from audience_assets.destinations.klaviyo.subscription_list import SUBSCRIPTION_LIST

KLAVIYO = DestinationType(
    name="klaviyo",
    title="Klaviyo",
    settings_model=KlaviyoSettings,
    services={SUBSCRIPTION_LIST.name: SUBSCRIPTION_LIST},
    account=account_name,
    secret_fields=("api_key",),
    default_service=SUBSCRIPTION_LIST.name,
)

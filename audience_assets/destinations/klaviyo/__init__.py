"""Klaviyo: settings, wire client and services."""

from __future__ import annotations

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.klaviyo.audience_list import AUDIENCE_LIST
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, account_name
from audience_assets.destinations.klaviyo.sftp_import import SFTP_IMPORT
from audience_assets.destinations.klaviyo.subscription_list import SUBSCRIPTION_LIST

KLAVIYO = DestinationType(
    name="klaviyo",
    title="Klaviyo",
    settings_model=KlaviyoSettings,
    services={each.name: each for each in (SUBSCRIPTION_LIST, AUDIENCE_LIST, SFTP_IMPORT)},
    account=account_name,
    secret_fields=("api_key", "sftp_private_key", "sftp_passphrase"),
    # It was the only one at first.
    usual_service=SUBSCRIPTION_LIST.name,
)

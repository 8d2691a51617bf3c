"""Emarsys (SAP Emarsys Customer Engagement): settings, wire client and services."""

from __future__ import annotations

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.emarsys.contact_list import CONTACT_LIST
from audience_assets.destinations.emarsys.settings import EmarsysSettings, account_name

EMARSYS = DestinationType(
    name="emarsys",
    title="Emarsys",
    settings_model=EmarsysSettings,
    services={CONTACT_LIST.name: CONTACT_LIST},
    account=account_name,
    secret_fields=("client_secret", "user_secret"),
)

"""Dotdigital: settings, wire client and services."""

from __future__ import annotations

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.dotdigital.contact_list import CONTACT_LIST
from audience_assets.destinations.dotdigital.settings import DotdigitalSettings, account_name

DOTDIGITAL = DestinationType(
    name="dotdigital",
    title="Dotdigital",
    settings_model=DotdigitalSettings,
    services={CONTACT_LIST.name: CONTACT_LIST},
    account=account_name,
    secret_fields=("password",),
)

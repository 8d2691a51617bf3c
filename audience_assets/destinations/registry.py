"""The vendors we know. A new one is one folder and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.emarsys import EMARSYS
from audience_assets.destinations.iterable import ITERABLE
from audience_assets.destinations.klaviyo import KLAVIYO

DESTINATIONS: Mapping[str, DestinationType] = {
    KLAVIYO.name: KLAVIYO,
    ITERABLE.name: ITERABLE,
    EMARSYS.name: EMARSYS,
}

"""No service is left out of the suites that go through all of them."""

from __future__ import annotations

from audience_assets.destinations.registry import DESTINATIONS
from audience_assets_tests.vendors.every import SERVICES


def test_every_service_is_in_the_suites() -> None:
    assert set(SERVICES) == {name for kind in DESTINATIONS.values() for name in kind.services}

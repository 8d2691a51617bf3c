"""A running Klaviyo twin for any test: `from audience_assets_tests.sandbox_fixtures import klaviyo_sandbox`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox

KEY = "pk_test_0123456789abcdef"


@pytest.fixture
def klaviyo_sandbox() -> Iterator[Sandbox]:
    """Real clock, no latency, no rate limits; the account "demo" with the key `KEY`."""
    vendor = KlaviyoSandbox(rate_limits=False)
    vendor.account("demo", key=KEY)
    with Sandbox([vendor]) as sandbox:
        yield sandbox

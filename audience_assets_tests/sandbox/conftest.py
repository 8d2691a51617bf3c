from __future__ import annotations

from collections.abc import Iterator

import pytest

from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets_tests.sandbox.caller import KEY, Caller


@pytest.fixture
def klaviyo() -> Iterator[Caller]:
    """An account without rate limits on a clock that the test moves."""
    vendor = KlaviyoSandbox(rate_limits=False)
    clock = VirtualClock()
    account = vendor.account("demo", key=KEY)
    with Sandbox([vendor], clock=clock) as sandbox:
        caller = Caller(sandbox, account, clock)
        with caller.session:
            yield caller


@pytest.fixture
def limited() -> Iterator[Caller]:
    """The same with Klaviyo's rate limits."""
    vendor = KlaviyoSandbox()
    clock = VirtualClock()
    account = vendor.account("demo", key=KEY)
    with Sandbox([vendor], clock=clock) as sandbox:
        caller = Caller(sandbox, account, clock)
        with caller.session:
            yield caller

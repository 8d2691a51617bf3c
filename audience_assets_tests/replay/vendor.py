"""The shop's Klaviyo account: who is known there, who objects, and its lists as anybody reads them over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import requests

from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox
from audience_assets_tests.replay.retail import Retail, address

KEY = "pk_replay_0123456789"


def is_absent(customer: int) -> bool:
    """One in fifty is unknown to Klaviyo."""
    return customer % 50 == 7


def is_objector(customer: int) -> bool:
    """One in fifty opts out at Klaviyo one day."""
    return customer % 50 == 13


@dataclass(frozen=True)
class Vendor:
    """`clock` is the vendor's and the engine's: days pass without sleeping."""

    sandbox: Sandbox
    account: KlaviyoAccount
    clock: VirtualClock
    session: requests.Session

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def wait_until(self, moment: datetime) -> None:
        self.clock.advance(moment.timestamp() - self.clock.now())

    def object(self, retail: Retail) -> None:
        """Every objector uses the unsubscribe link in a mail, now."""
        for customer in retail.customers:
            if is_objector(customer):
                self.account.opt_out(address(customer))

    def members(self, list_id: str) -> set[str]:
        """E-mail addresses of a list, page by page."""
        first = f"{self.sandbox.url}/api/lists/{list_id}/profiles?page%5Bsize%5D=100&fields%5Bprofile%5D=email"
        following: str | None = first
        found: list[str] = []
        while following:
            answer = self.session.get(following, timeout=60)
            answer.raise_for_status()
            page = answer.json()
            found += [profile["attributes"]["email"] for profile in page["data"]]
            following = page["links"]["next"]
        assert len(found) == len(set(found))
        return set(found)


@contextmanager
def open_vendor(retail: Retail) -> Iterator[Vendor]:
    """A Klaviyo without rate limits, on the eve of the first day, that knows all customers-to-be but the absent."""
    clock = VirtualClock(retail.days[0].replace(tzinfo=UTC))
    klaviyo = KlaviyoSandbox(rate_limits=False)
    account = klaviyo.account("online_retail", key=KEY)
    account.add_profiles({"email": address(each)} for each in retail.customers if not is_absent(each))
    with Sandbox([klaviyo], clock=clock) as sandbox, requests.Session() as session:
        session.headers["Authorization"] = f"Klaviyo-API-Key {KEY}"
        session.headers["revision"] = "2026-07-15"
        yield Vendor(sandbox, account, clock, session)

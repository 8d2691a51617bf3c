"""The shop's accounts at vendors: who is known there, who objects, and their lists as anybody reads them over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import requests

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets_tests.replay.retail import Retail, address
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.every import SERVICES
from audience_assets_tests.vendors.limits import limited_by

ACCOUNT = "online_retail"


def is_absent(customer: int) -> bool:
    """One in fifty is unknown to the vendors."""
    return customer % 50 == 7


def is_objector(customer: int) -> bool:
    """One in fifty opts out at the vendors one day."""
    return customer % 50 == 13


@dataclass(frozen=True)
class Vendors:
    """An account for each service. `clock` is the vendors' and the engine's: days pass without sleeping."""

    sandbox: Sandbox
    accounts: Mapping[str, VendorAccount]
    clock: VirtualClock
    session: requests.Session

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def wait_until(self, moment: datetime) -> None:
        self.clock.advance(moment.timestamp() - self.clock.now())

    def object(self, retail: Retail) -> None:
        """Every objector uses the unsubscribe link in a mail of each vendor, now."""
        for account in self.accounts.values():
            for customer in retail.customers:
                if is_objector(customer):
                    account.opt_out(address(customer))

    def url(self, service: str) -> str:
        return self.sandbox.url_of(self.accounts[service].kind().name)

    def members(self, service: str, list_id: str) -> set[str]:
        """E-mail addresses of a list."""
        found = self.accounts[service].read(self.session, self.url(service), list_id)
        assert len(found) == len(set(found))
        return set(found)

    def destinations(self) -> Mapping[str, DestinationType]:
        """The vendors with our limiter on the common clock."""
        log = MemorySlotLog(self.clock.now)
        kinds = {account.kind().name: account.kind() for account in self.accounts.values()}

        def timed(kind: DestinationType) -> DestinationType:
            return limited_by(
                kind,
                lambda connection: SlidingLimiter(log, kind.account(connection.settings), sleep=self._wait),
            )

        return {name: timed(kind) for name, kind in kinds.items()}

    def _wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


@contextmanager
def open_vendors(retail: Retail, services: Sequence[str]) -> Iterator[Vendors]:
    """Vendors without rate limits, on the eve of the first day, that know all customers-to-be but the absent."""
    clock = VirtualClock(retail.days[0].replace(tzinfo=UTC))
    twins = {SERVICES[name].kind().name: SERVICES[name].twin() for name in services}
    with Sandbox(list(twins.values()), clock=clock) as sandbox, requests.Session() as session:
        # Of their own: at Klaviyo one service creates the people whom the other leaves out.
        accounts = {name: SERVICES[name].open(sandbox, f"{ACCOUNT}-{name}") for name in services}
        for account in accounts.values():
            account.know(address(each) for each in retail.customers if not is_absent(each))
        yield Vendors(sandbox, accounts, clock, session)

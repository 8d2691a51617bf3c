"""The shop's Emarsys account: most readers are contacts, some addresses are two contacts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from audience_assets.demo.day import ShopDay
from audience_assets.demo.vendors.base import Example, address_of
from audience_assets.sandbox.emarsys import EmarsysAccount, EmarsysSandbox

CLIENT_ID = "demo_shop"
CLIENT_SECRET = "demo_emarsys_sandbox_only"  # noqa: S105 - of the twin on this machine
KNOWN = 0.95
# By an import under another key; Emarsys then takes the address for none of them.
TWO_CONTACTS = 0.004


class EmarsysShop:
    """Contacts by e-mail address."""

    def __init__(self) -> None:
        self.vendor = EmarsysSandbox()
        self.account: EmarsysAccount = self.vendor.account("demo_shop", client=(CLIENT_ID, CLIENT_SECRET))
        self._shared: list[str] = []
        self._merged: list[str] = []

    def environment(self, url: str) -> Mapping[str, str]:
        return {
            "EMARSYS_CLIENT_ID": CLIENT_ID,
            "EMARSYS_CLIENT_SECRET": CLIENT_SECRET,
            "EMARSYS_BASE_URL": url,
            "EMARSYS_TOKEN_URL": f"{url}/oauth2/token",
        }

    def seed(self, customers: Sequence[Any], now: datetime, dice: random.Random) -> int:
        addresses = dict.fromkeys(filter(None, map(address_of, customers)))
        known = [address for address in addresses if dice.random() < KNOWN]
        readers = {address_of(customer) for customer in customers if customer.email_consent_at}
        self._shared = [address for address in known if address in readers and dice.random() < TWO_CONTACTS]
        return self.account.add_contacts({"email": address} for address in [*known, *self._shared])

    def live(self, day: ShopDay, dice: random.Random) -> Iterator[tuple[str, int]]:
        """Half of the doubles are merged by hand."""
        self._merged = self._shared[::2]
        for address in self._merged:
            self.account.delete_contacts(address)
        moved = filter(None, map(address_of, day.newcomers))
        self.account.add_contacts({"email": address} for address in [*self._merged, *moved])
        yield "were two contacts at Emarsys and are one now", len(self._merged)

    def examples(self, day: ShopDay) -> Iterator[Example]:
        left = [address for address in self._shared if address not in self._merged]
        kinds = ((self._merged, "was two contacts, and was merged"), (left, "is two contacts still"))
        for addresses, what in kinds:
            for address in addresses[:1]:
                yield Example(address, what, partial(self._look, address))

    def settle(self) -> None:
        """Nothing is done later here."""

    def _look(self, address: str) -> str:
        ids = {contact.id for contact in self.account.find(address)}
        lists = ", ".join(each.name for each in self.account.lists if ids & each.members) or "no list"
        return f"{lists} ({len(ids)} contact{'' if len(ids) == 1 else 's'})"

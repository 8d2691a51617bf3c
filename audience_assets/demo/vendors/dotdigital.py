"""The shop's Dotdigital account: half the customers are contacts, some unsubscribed, and one list is older than we."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from audience_assets.demo.day import ShopDay
from audience_assets.demo.vendors.base import Example, address_of
from audience_assets.sandbox.dotdigital import DotdigitalAccount, DotdigitalSandbox

API_USER = "apiuser-demo@apiconnector.com"
PASSWORD = "demo_dotdigital_sandbox_only"  # noqa: S105 - of the twin on this machine
KNOWN = 0.5
UNSUBSCRIBED = 0.08
SUPPRESSED = 0.03
# Of the list that somebody made by hand.
LIST = "VIPs"
LEFT_THE_LIST = 0.04


class DotdigitalShop:
    """Contacts by e-mail address; who is missing is created by the lists."""

    def __init__(self) -> None:
        self.vendor = DotdigitalSandbox()
        self.account: DotdigitalAccount = self.vendor.account("demo_shop", user=API_USER, password=PASSWORD)
        self._list = self.account.create_list(LIST)
        self._left: list[str] = []
        self.tired: list[str] = []

    def environment(self, url: str) -> Mapping[str, str]:
        return {"DOTDIGITAL_USER": API_USER, "DOTDIGITAL_PASSWORD": PASSWORD, "DOTDIGITAL_BASE_URL": url}

    def seed(self, customers: Sequence[Any], now: datetime, dice: random.Random) -> int:
        addresses = dict.fromkeys(filter(None, map(address_of, customers)))
        rows = [_contact(address, dice) for address in addresses if dice.random() < KNOWN]
        made = self.account.add_contacts(rows)
        self._left = [row["email"] for row in rows if dice.random() < LEFT_THE_LIST]
        for address in self._left:
            self.account.leave_list(address, self._list.id)
        return len(made)

    def live(self, day: ShopDay, dice: random.Random) -> Iterator[tuple[str, int]]:
        members = [contact.email for contact in self.account.members(self._list.id) if contact.email]
        self.tired = sorted(dice.sample(members, min(len(members), max(1, len(members) // 100))))
        for address in self.tired:
            self.account.leave_list(address, self._list.id)
        yield f"unsubscribed from the list {LIST!r} at Dotdigital", len(self.tired)

    def examples(self, day: ShopDay) -> Iterator[Example]:
        rising = {person.email for person in day.rising}
        kinds = (
            ([person.email for person in day.rising if not self.account.find(person.email)], "is a VIP, was unknown"),
            ([address for address in self._left if address in rising], f"is a VIP, but left {LIST!r} before"),
            (self.tired, f"unsubscribed from {LIST!r} that day"),
        )
        for addresses, what in kinds:
            for address in addresses[:1]:
                yield Example(address, what, partial(self._look, address))

    def settle(self) -> None:
        self.account.finish_jobs()

    def _look(self, address: str) -> str:
        contact = self.account.find(address)
        if contact is None:
            return "unknown"
        held = {each.name: each.status_of(contact.id) for each in self.account.lists}
        lists = [
            f"{name}{'' if status == 'subscribed' else ': unsubscribed'}" for name, status in held.items() if status
        ]
        return f"{', '.join(lists) or 'no list'} (e-mail {contact.email_status})"


def _contact(address: str, dice: random.Random) -> dict[str, Any]:
    lot = dice.random()
    if lot < SUPPRESSED:
        return {"email": address, "email_status": "suppressed"}
    return {"email": address, **({"email_status": "unsubscribed"} if lot < SUPPRESSED + UNSUBSCRIBED else {})}

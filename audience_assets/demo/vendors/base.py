"""What a vendor brings to the demo: its twin with the shop's account, who is known there, and its part of a day."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from audience_assets.demo.day import ShopDay
from audience_assets.destinations.identifiers import normal_email
from audience_assets.sandbox.vendor import SandboxVendor


@dataclass(frozen=True)
class Example:
    """Somebody to follow through the day. `look` says how the vendor has them now."""

    address: str
    what: str
    look: Callable[[], str] = field(compare=False)


class Account(Protocol):
    """The shop's account at one vendor's twin. A new vendor is a module with one of these, and a line in `__init__`."""

    @property
    def vendor(self) -> SandboxVendor:
        """The twin, with the vendor's real rate limits."""
        ...

    def environment(self, url: str) -> Mapping[str, str]:
        """Variables that the demo's destinations.yaml reads; `url` is the twin's address."""
        ...

    def seed(self, customers: Sequence[Any], now: datetime, dice: random.Random) -> int:
        """Make contacts of rows of `customers`, as they are on the first morning, and return how many.

        `now` is UTC without a zone.
        """
        ...

    def live(self, day: ShopDay, dice: random.Random) -> Iterator[tuple[str, int]]:
        """What people do at the vendor that day: words and a number of people."""
        ...

    def examples(self, day: ShopDay) -> Iterator[Example]:
        """A few people in whom the day shows, asked for when `live` is over."""
        ...

    def settle(self) -> None:
        """End what the vendor still works at."""
        ...


def address_of(customer: Any) -> str | None:
    """A customer's e-mail address as vendors write it; None if it is none."""
    email = normal_email(customer.email)
    return email if isinstance(email, str) else None

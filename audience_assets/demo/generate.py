"""The demo's warehouse: the same shop for the same seed, size and day."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.demo.people import Person, invent
from audience_assets.demo.tables import (
    CONSENTS,
    CUSTOMERS,
    MERGED_CUSTOMERS,
    METADATA,
    NO_MERGED_CUSTOMERS,
    ORDER_ITEMS,
    ORDERS,
    PRODUCTS,
)

CUSTOMER_COUNT = 50_000
SEED = 2026
CATEGORIES = ("socks", "shirts", "trousers", "jackets", "shoes", "hats")
SIZES = ("S", "M", "L")
CHUNK = 5_000
SHARES_AN_ADDRESS = 0.015

Row = dict[str, Any]


@dataclass
class Shop:
    """Rows of every table, collected customer by customer."""

    now: datetime
    dice: random.Random
    customers: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    next_order: int = 1
    next_item: int = 1
    next_consent: int = 1

    def add_customer(self, number: int, person: Person) -> None:
        """A customer with a history of orders and consents."""
        email_at = self._consent(number, "email", 0.5, person.created_at) if person.email else None
        sms_at = self._consent(number, "sms", 0.3, person.created_at) if person.phone else None
        self.customers.append(customer_row(number, person, email_at, sms_at))
        for _ in range(_order_count(self.dice)):
            self._order(number, person.created_at)

    def _consent(self, number: int, channel: str, share: float, since: datetime) -> datetime | None:
        """Write the consent events of a channel; the answer is what the customers table says."""
        dice = self.dice
        if dice.random() >= share:
            return None
        given = since + (self.now - since) * dice.random() * 0.8
        source = dice.choice(("checkout", "footer", "paper form"))
        self._event(number, channel, "subscribed", given, source)
        if dice.random() < 0.08:
            self._event(number, channel, "unsubscribed", given + (self.now - given) * dice.random(), "link")
            return None
        lot = dice.random()
        if lot < 0.05:  # an old form that kept no time
            self.consents[-1]["consent_at"] = None if lot < 0.02 else given
            return None
        if lot < 0.053:  # a till whose clock is ahead
            return self.now + timedelta(days=dice.randint(2, 400))
        return given

    def _event(self, number: int, channel: str, status: str, at: datetime, source: str) -> None:
        self.consents.append(
            {
                "consent_id": self.next_consent,
                "customer_id": number,
                "channel": channel,
                "status": status,
                "consent_at": at,
                "source": source,
            }
        )
        self.next_consent += 1

    def _order(self, number: int, since: datetime) -> None:
        dice = self.dice
        at = since + (self.now - since) * dice.random()
        lot = dice.random()
        status = "returned" if lot < 0.06 else "cancelled" if lot < 0.08 else "paid"
        self.orders.append(
            {
                "order_id": self.next_order,
                "customer_id": number,
                "ordered_at": at,
                "amount": round(dice.lognormvariate(4.3, 0.7), 2),
                "channel": "online" if dice.random() < 0.7 else "shop",
                "status": status,
            }
        )
        for _ in range(dice.choice((1, 1, 2))):
            category = CATEGORIES[min(int(dice.expovariate(0.5)), len(CATEGORIES) - 1)]
            self.items.append(
                {
                    "item_id": self.next_item,
                    "order_id": self.next_order,
                    "sku": f"{category}-{dice.choice(SIZES)}",
                    "quantity": dice.choice((1, 1, 1, 2)),
                }
            )
            self.next_item += 1
        self.next_order += 1

    def drain(self, connection: Connection) -> None:
        """Write what was collected and forget it."""
        for table, rows in (
            (CUSTOMERS, self.customers),
            (ORDERS, self.orders),
            (ORDER_ITEMS, self.items),
            (CONSENTS, self.consents),
        ):
            if rows:
                connection.execute(table.insert(), rows)
            rows.clear()


def generate_warehouse(
    engine: Engine,
    *,
    now: datetime,
    customers: int = CUSTOMER_COUNT,
    seed: int = SEED,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Make the shop's tables anew and fill them in one transaction.

    `now` is UTC without a zone; nothing but till clocks is later. `progress` hears how many customers are written.
    """
    shop = Shop(now, random.Random(seed))  # noqa: S311 - the same shop every time
    with engine.begin() as connection:
        connection.execute(NO_MERGED_CUSTOMERS)
        METADATA.drop_all(connection)
        METADATA.create_all(connection)
        connection.execute(MERGED_CUSTOMERS)
        connection.execute(PRODUCTS.insert(), list(_products()))
        shared: list[Person] = []
        for number in range(1, customers + 1):
            person = invent(number, now, shop.dice)
            if shared and shop.dice.random() < SHARES_AN_ADDRESS:
                person = _household(person, shop.dice.choice(shared))
            elif person.email and shop.dice.random() < 0.05:
                shared.append(person)
            shop.add_customer(number, person)
            if number % CHUNK == 0 or number == customers:
                shop.drain(connection)
                if progress:
                    progress(number)


def customer_row(
    number: int, person: Person, email_consent_at: datetime | None, sms_consent_at: datetime | None
) -> Row:
    """A row of `customers`."""
    return {
        "customer_id": number,
        "email": person.email,
        "phone": person.phone,
        "first_name": person.first_name,
        "country": person.country,
        "city": person.city,
        "birthdate": person.birthdate,
        "club_since": _club_since(number, person),
        "created_at": person.created_at,
        "updated_at": person.created_at,
        "email_consent_at": email_consent_at,
        "sms_consent_at": sms_consent_at,
    }


def _club_since(number: int, person: Person) -> str | None:
    """One in three is in the club; the till of old wrote the month only, or nothing that is a date."""
    if number % 3:
        return None
    if number % 25 == 0:
        return f"{person.created_at:%m/%Y}" if number % 2 else "member"
    return f"{person.created_at:%Y-%m-%d}"


def next_key(connection: Connection, column: sa.Column[int]) -> int:
    """The first unused number of a key."""
    return (connection.scalar(sa.select(sa.func.max(column))) or 0) + 1


def _household(person: Person, other: Person) -> Person:
    """Somebody who signed up with another customer's address, written with other capitals."""
    email = other.email.strip().capitalize() if other.email else None
    return Person(
        person.first_name,
        email,
        person.phone,
        person.country,
        person.city,
        person.birthdate,
        person.created_at,
    )


def _order_count(dice: random.Random) -> int:
    """Most people order once or twice, a few very often."""
    if dice.random() < 0.25:
        return 0
    return min(1 + int(dice.expovariate(0.42)), 30)


def _products() -> Iterator[Row]:
    for category in CATEGORIES:
        for size in SIZES:
            yield {"sku": f"{category}-{size}", "name": f"{category.title()} {size}", "category": category}

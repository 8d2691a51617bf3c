"""A day in the shop: people order, return, sign up, move, opt in and opt out.

What they do at vendors is told there (`vendors/`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.demo.generate import Row, customer_row, next_key
from audience_assets.demo.people import address_of, invent
from audience_assets.demo.tables import CONSENTS, CUSTOMERS, ORDERS
from audience_assets.destinations.identifiers import normal_email

YEAR = timedelta(days=365)
SILENT = timedelta(days=60)
UNPAID = ("returned", "cancelled")


@dataclass
class ShopDay:
    """Rows of `customers` by what the people did, as they were in the morning, and words with numbers of people."""

    rising: list[Any] = field(default_factory=list)  # ordered, and may be VIPs now
    lapsed: list[Any] = field(default_factory=list)  # had been silent, and ordered
    movers: list[Any] = field(default_factory=list)  # have a new address
    tired: list[Any] = field(default_factory=list)  # want no mail, and will tell vendors and not the shop
    newcomers: list[Any] = field(default_factory=list)  # signed up
    events: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class _Change:
    connection: Connection
    now: datetime
    dice: random.Random
    size: int  # customers

    def some(self, people: Sequence[Any], per_thousand: float) -> list[Any]:
        """A sample as large as that share of all customers, at least one."""
        wanted = max(1, round(self.size * per_thousand / 1000))
        return self.dice.sample(list(people), min(wanted, len(people)))


def change_the_day(engine: Engine, *, now: datetime, seed: int) -> ShopDay:
    """Change the warehouse as a day would. `now` is UTC without a zone."""
    with engine.begin() as connection:
        size = connection.scalar(sa.select(sa.func.count()).select_from(CUSTOMERS)) or 0
        change = _Change(connection, now, random.Random(seed), size)  # noqa: S311 - the same day
        day = ShopDay(rising=_near_vips(change), lapsed=_lapsed(change))
        best = _vips(change)
        leavers, day.movers, quitters = _split(change.some(_readers(change), 8), 3)
        day.tired = [*quitters, *day.rising[: max(1, len(day.rising) // 20)]]
        day.events = [
            ("ordered and may become VIPs", _order(change, day.rising, 300.0)),
            ("came back after months and ordered", _order(change, day.lapsed, 40.0)),
            ("sent their largest order back", _send_back(change, best)),
            ("opted out in the shop", _opt_out_in_shop(change, leavers)),
            ("changed their address", _move(change, day.movers)),
        ]
        day.newcomers = _sign_up(change)
        day.events.append(("signed up", len(day.newcomers)))
    return day


def _spending(now: datetime) -> sa.Subquery:
    paid = (ORDERS.c.status.not_in(UNPAID)) & (ORDERS.c.ordered_at >= now - YEAR)
    return (
        sa.select(
            ORDERS.c.customer_id,
            sa.func.count().label("orders"),
            sa.func.sum(ORDERS.c.amount).label("revenue"),
            sa.func.max(ORDERS.c.ordered_at).label("latest"),
        )
        .where(paid)
        .group_by(ORDERS.c.customer_id)
        .subquery("spending")
    )


def _people(change: _Change, *conditions: sa.ColumnElement[bool], spending: sa.Subquery) -> list[Any]:
    """Customers with a tidy address of their own and their year's spending."""
    joined = CUSTOMERS.join(spending, spending.c.customer_id == CUSTOMERS.c.customer_id)
    query = (
        sa.select(CUSTOMERS)
        .select_from(joined)
        .where(CUSTOMERS.c.email.contains(".", autoescape=True), *conditions)
        .order_by(CUSTOMERS.c.customer_id)
    )
    return [person for person in change.connection.execute(query) if _is_tidy(person)]


def _is_tidy(person: Any) -> bool:
    return person.email == normal_email(person.email) and f".{person.customer_id}@" in person.email


def _near_vips(change: _Change) -> list[Any]:
    """One order short of being a VIP, and not silent so long that the order takes them off the win-back list.

    Who leaves one list enters another by the next delivery only, once Klaviyo has carried out the opt-out.
    """
    spent = _spending(change.now)
    short = (spent.c.revenue.between(350, 590), spent.c.orders >= 2, CUSTOMERS.c.email_consent_at < change.now)
    recent = spent.c.latest >= change.now - SILENT
    return change.some(_people(change, *short, recent, spending=spent), 3)


def _vips(change: _Change) -> list[Any]:
    spent = _spending(change.now)
    least = _people(change, spent.c.revenue.between(600, 800), spent.c.orders >= 3, spending=spent)
    return change.some(least, 1.5)


def _lapsed(change: _Change) -> list[Any]:
    spent = _spending(change.now)
    silent = (spent.c.revenue.between(250, 550), spent.c.latest < change.now - SILENT - timedelta(days=1))
    return change.some(_people(change, *silent, CUSTOMERS.c.email_consent_at.is_not(None), spending=spent), 2)


def _readers(change: _Change) -> list[Any]:
    query = sa.select(CUSTOMERS).where(CUSTOMERS.c.email_consent_at < change.now).order_by(CUSTOMERS.c.customer_id)
    return [person for person in change.connection.execute(query) if _is_tidy(person)]


def _split(people: list[Any], parts: int) -> list[list[Any]]:
    return [people[part::parts] for part in range(parts)]


def _order(change: _Change, people: Iterable[Any], amount: float) -> int:
    first = next_key(change.connection, ORDERS.c.order_id)
    rows: list[Row] = [
        {
            "order_id": first + number,
            "customer_id": person.customer_id,
            "ordered_at": change.now - timedelta(minutes=change.dice.randint(1, 300)),
            "amount": amount,
            "channel": "online",
            "status": "paid",
        }
        for number, person in enumerate(people)
    ]
    return _write(change, ORDERS.insert(), rows)


def _send_back(change: _Change, people: Iterable[Any]) -> int:
    numbers = [person.customer_id for person in people]
    place = sa.func.row_number().over(
        partition_by=ORDERS.c.customer_id, order_by=[ORDERS.c.amount.desc(), ORDERS.c.order_id]
    )
    paid = (ORDERS.c.status == "paid") & (ORDERS.c.ordered_at >= change.now - YEAR)
    ranked = (
        sa.select(ORDERS.c.order_id, place.label("place"))
        .where(paid, ORDERS.c.customer_id.in_(numbers))
        .subquery("ranked")
    )
    largest = sa.select(ranked.c.order_id).where(ranked.c.place == 1)
    change.connection.execute(ORDERS.update().where(ORDERS.c.order_id.in_(largest)).values(status="returned"))
    return len(numbers)


def _opt_out_in_shop(change: _Change, people: Sequence[Any]) -> int:
    first = next_key(change.connection, CONSENTS.c.consent_id)
    events: list[Row] = [
        _consent(first + number, person.customer_id, "email", "unsubscribed", change.now, "account page")
        for number, person in enumerate(people)
    ]
    change.connection.execute(
        CUSTOMERS.update()
        .where(CUSTOMERS.c.customer_id.in_([person.customer_id for person in people]))
        .values(email_consent_at=None, updated_at=change.now)
    )
    return _write(change, CONSENTS.insert(), events)


def _move(change: _Change, people: Sequence[Any]) -> int:
    update = (
        CUSTOMERS.update()
        .where(CUSTOMERS.c.customer_id == sa.bindparam("number"))
        .values(email=sa.bindparam("address"), updated_at=sa.bindparam("at"))
    )
    rows: list[Row] = [
        {"number": person.customer_id, "address": new_address(person), "at": change.now} for person in people
    ]
    return _write(change, update, rows)


def new_address(person: Any) -> str:
    """Where a mover gets mail from now on."""
    return address_of(person.first_name, person.customer_id, "new.example.org")


def _sign_up(change: _Change) -> list[Any]:
    connection, now, dice = change.connection, change.now, change.dice
    first = next_key(connection, CUSTOMERS.c.customer_id)
    first_consent = next_key(connection, CONSENTS.c.consent_id)
    rows: list[Row] = []
    events: list[Row] = []
    for number in range(first, first + max(2, change.size // 400)):
        person = invent(number, now, dice, newcomer=True)
        given = person.created_at + timedelta(seconds=40)
        by_email, by_sms = dice.random() < 0.6, dice.random() < 0.5
        rows.append(
            customer_row(
                number,
                person,
                given if by_email and person.email else None,
                given if by_sms and person.phone else None,
            )
        )
        for channel in [name for name, said in (("email", by_email), ("sms", by_sms)) if said]:
            identifier = first_consent + len(events)
            events.append(_consent(identifier, number, channel, "subscribed", given, "checkout"))
    _write(change, CONSENTS.insert(), events)
    _write(change, CUSTOMERS.insert(), rows)
    return list(connection.execute(sa.select(CUSTOMERS).where(CUSTOMERS.c.customer_id >= first)))


def _consent(number: int, customer: int, channel: str, status: str, at: datetime, source: str) -> Row:
    return {
        "consent_id": number,
        "customer_id": customer,
        "channel": channel,
        "status": status,
        "consent_at": at,
        "source": source,
    }


def _write(change: _Change, statement: Any, rows: list[Row]) -> int:
    if rows:
        change.connection.execute(statement, rows)
    return len(rows)

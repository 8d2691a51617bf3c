"""Invented people, with the dirt that real customer tables have.

Addresses end in the domains reserved for examples. Phone numbers only look real: never send this data anywhere
but to the sandbox.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta

# fmt: off
FIRST_NAMES = (
    "Ada", "Alma", "Amir", "Anna", "Ben", "Camille", "Chloé", "Clara", "Elif", "Emil", "Emma", "Finn",
    "Freya", "Hugo", "Ida", "Ines", "Jonas", "Karim", "Lea", "Liam", "Lina", "Louis", "Luca", "Maja",
    "Marc", "Maya", "Mila", "Nina", "Noah", "Nora", "Olga", "Oskar", "Paul", "Rosa", "Sara", "Sofia",
    "Theo", "Tom", "Yasmin", "Zoé",
)
# fmt: on
DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")
CITIES = {
    "FR": ("Paris", "Lyon", "Lille", "Nantes"),
    "DE": ("Berlin", "Hamburg", "Köln", "Leipzig"),
    "GB": ("London", "Leeds", "Bristol", "Glasgow"),
    "US": ("Boston", "Austin", "Denver", "Seattle"),
    "BE": ("Bruxelles", "Gent", "Liège"),
    "NO": ("Oslo", "Bergen", "Tromsø"),
}
COUNTRIES = tuple(CITIES)
COUNTRY_WEIGHTS = (40, 18, 14, 14, 8, 6)
MALFORMED_EMAILS = ("{name}{number}.example.com", "{name}@@example.com", "{name}{number}@example", "n/a", " ", "-")
MALFORMED_PHONES = ("12345", "unknown", "00000000", "+999 12 34")


@dataclass(frozen=True, slots=True)
class Person:
    """One row of `customers` without its consents."""

    first_name: str
    email: str | None
    phone: str | None
    country: str
    city: str
    birthdate: date | None
    created_at: datetime


def invent(number: int, now: datetime, dice: random.Random, *, newcomer: bool = False) -> Person:
    """A customer; `newcomer` signed up within the last hours."""
    first_name = dice.choice(FIRST_NAMES)
    country = dice.choices(COUNTRIES, COUNTRY_WEIGHTS)[0]
    return Person(
        first_name,
        _email(first_name, number, dice),
        _phone(country, dice),
        country,
        dice.choice(CITIES[country]),
        date(dice.randint(1945, 2007), dice.randint(1, 12), dice.randint(1, 28)) if dice.random() < 0.7 else None,
        now - (timedelta(minutes=dice.randint(5, 300)) if newcomer else _age(dice)),
    )


def address_of(first_name: str, number: int, domain: str) -> str:
    """A tidy address, unlike any other customer's."""
    plain = first_name.lower().replace("é", "e")
    return f"{plain}.{number}@{domain}"


def _age(dice: random.Random) -> timedelta:
    """How long ago somebody signed up: one in ten within 90 days, the others up to five years ago."""
    days = dice.uniform(1, 90) if dice.random() < 0.1 else dice.uniform(90, 1800)
    return timedelta(days=days)


def _email(first_name: str, number: int, dice: random.Random) -> str | None:
    lot = dice.random()
    if lot < 0.03:
        return None
    if lot < 0.04:
        return dice.choice(MALFORMED_EMAILS).format(name=first_name.lower(), number=number)
    tidy = address_of(first_name, number, dice.choice(DOMAINS))
    if lot < 0.10:
        return f" {tidy.title()} "
    return tidy


def _phone(country: str, dice: random.Random) -> str | None:
    lot = dice.random()
    if lot < 0.25:
        return None
    if lot < 0.265:
        return dice.choice(MALFORMED_PHONES)
    digits = f"{dice.randrange(10**8):08d}"
    return _WRITTEN[country](digits, lot > 0.6)


def _french(d: str, abroad: bool) -> str:
    start = "+33 6" if abroad else "06"
    return f"{start} {1 + int(d[0]) % 7}{d[1]} {d[2:4]} {d[4:6]} {d[6:]}"


def _german(d: str, abroad: bool) -> str:
    return f"0049151{d}" if abroad else f"0151/{d}"


def _british(d: str, abroad: bool) -> str:
    return f"+44 (0)7400 {d[:6]}" if abroad else f"07400 {d[:6]}"


def _american(d: str, abroad: bool) -> str:
    middle = f"{2 + int(d[0]) % 8}{d[1]}{2 + int(d[2]) % 7}"
    return f"+1 617-{middle}-{d[3:7]}" if abroad else f"(617) {middle}-{d[3:7]}"


def _belgian(d: str, abroad: bool) -> str:
    return f"+32 47{d[0]} {d[1:3]} {d[3:5]} {d[5:7]}" if abroad else f"047{d[0]}/{d[1:7]}"


def _norwegian(d: str, abroad: bool) -> str:
    start = ("41", "45", "46", "47", "48")[int(d[0]) % 5]
    return f"+47 {start}{d[1:7]}" if abroad else f"{start} {d[1:3]} {d[3:5]} {d[5:7]}"


_WRITTEN = {
    "FR": _french,
    "DE": _german,
    "GB": _british,
    "US": _american,
    "BE": _belgian,
    "NO": _norwegian,
}

"""What the engine reads of a declared project: consent histories and calculated fields, on every embedded warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets_tests.sync.declared import (
    GUEST_CHOICES,
    GUESTS,
    HOUSEHOLD_CHOICES,
    Bakery,
    open_bakery,
)

Open = Callable[[str], Bakery]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GUEST_ROWS = [
    {"id": 1, "email": "ann@bakery.example", "household": 2, "visits": 4},
    {"id": 2, "email": "bob@bakery.example", "household": 1, "visits": 2},
]


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def bakery(tmp_path: Path, warehouse: sa.Engine) -> Iterator[Open]:
    opened: list[Bakery] = []

    def open_one(activation: str) -> Bakery:
        opened.append(open_bakery(tmp_path, warehouse, activation))
        opened[-1].insert(GUESTS, *GUEST_ROWS)
        return opened[-1]

    yield open_one
    for each in opened:
        each.runtime.close()


def test_consent_is_read_from_the_history_that_the_activation_names(bakery: Open) -> None:
    shop = bakery(
        "mapping: {identifiers: {email: email}}\noptions: {consent: true}\nconsent: {history: {model: guest_choices}}\n"
    )
    choice = {"channel": "email", "status": "subscribed"}
    shop.insert(GUEST_CHOICES, {"id": 1, "guest": 1, "chosen_at": ago(3), **choice})
    # Of the households, which are numbered the other way round.
    shop.insert(HOUSEHOLD_CHOICES, {"id": 1, "household": 1, "chosen_at": ago(1), **choice})
    shop.sync(NOW)
    found = {identifier: (each.status, each.at) for identifier, each in shop.evidence.items()}
    assert found == {"ann@bakery.example": ("opted_in", ago(3)), "bob@bakery.example": (None, None)}

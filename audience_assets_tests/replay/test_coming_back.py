"""Leaving opts a person out. Whether they may come back depends on whose opt-out stands at Klaviyo."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from audience_assets_tests.replay.replay import KLAVIYO, Replay, open_replay
from audience_assets_tests.replay.retail import Retail, address
from audience_assets_tests.vendors import klaviyo

FIRST = datetime(2011, 1, 3, 12)
# After the order, after a month's silence, after three months' silence, after the next order.
ORDERED, SILENT, QUIET, BACK = range(4)
AGES = (0, 40, 100, 101)
ANN, OTHERS = 12346, range(20000, 20020)


def a_small_shop() -> Retail:
    """Ann orders on the first and the last of four days, the others always; each order is of 600."""
    rows = [
        {"customer_id": customer, "day": day, "invoiced_at": FIRST + timedelta(days=AGES[day])}
        for day in range(4)
        for customer in (ANN, *OTHERS)
        if customer != ANN or day in (ORDERED, BACK)
    ]
    lines = pd.DataFrame(rows)
    numbers = pd.Series(range(1, len(lines) + 1))
    lines = lines.assign(
        line=numbers,
        invoice_no=numbers.astype(str),
        stock_code="22556",
        description=None,
        quantity=6,
        unit_price=100.0,
        country="France",
    ).astype({"customer_id": "Int64"})
    midnight = FIRST.replace(hour=0)
    return Retail(lines, tuple(midnight + timedelta(days=age) for age in AGES))


@pytest.fixture
def replay(sqlite: str, tmp_path: Path) -> Iterator[Replay]:
    with open_replay(a_small_shop(), sqlite, tmp_path / "project", objection_day=99) as replay:
        yield replay


def lists_of_ann(replay: Replay, day: int) -> set[str]:
    """Play the day; the lists that hold her at its end."""
    reports = replay.play(day).reports
    return {
        delivery.segment
        for delivery, report in reports.items()
        if report.list_id and address(ANN) in replay.vendors.members(KLAVIYO, report.list_id)
    }


def test_who_left_two_lists_may_come_back_to_both(replay: Replay) -> None:
    assert lists_of_ann(replay, ORDERED) == {"active", "big_spenders"}
    assert lists_of_ann(replay, SILENT) == {"big_spenders"}
    assert lists_of_ann(replay, QUIET) == set()
    assert lists_of_ann(replay, BACK) == {"active", "big_spenders"}
    account = replay.vendors.accounts[KLAVIYO]
    assert isinstance(account, klaviyo.SubscriptionList)
    consent = account.account.consent(address(ANN))
    assert consent is not None
    assert consent.status == "SUBSCRIBED"


@pytest.mark.parametrize("objects_after", [ORDERED, SILENT, QUIET])
def test_who_opted_out_in_between_does_not_come_back(replay: Replay, objects_after: int) -> None:
    for day in (ORDERED, SILENT, QUIET):
        replay.play(day)
        if day == objects_after:
            replay.vendors.clock.advance(3600)
            replay.vendors.accounts[KLAVIYO].opt_out(address(ANN))
    assert lists_of_ann(replay, BACK) == set()

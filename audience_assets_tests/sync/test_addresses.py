"""One address in many spellings is one member, and no spelling stops a sync."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.live_list import MakeList, live_lists

PHONE = "+12025550101"


@pytest.fixture
def make(tmp_path: Path, make_warehouse: Callable[[str], Engine]) -> Iterator[MakeList]:
    with live_lists(tmp_path, make_warehouse) as maker:
        yield maker


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("blank", ["-", " - ", "()", "", None])
def test_a_phone_of_punctuation_is_no_phone(make: MakeList, warehouse: str, blank: str | None) -> None:
    target = make("sms", warehouse=warehouse)
    target.account.add_profiles([{"phone_number": PHONE}])
    target.users({1: {"phone": PHONE}, 2: {"phone": blank}, 3: {"phone": blank}})
    report = target.sync()
    assert (report.added, report.counts.unidentified) == (1, 2)
    assert target.sync().state == "unchanged"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("spelling", ["ann@x.com\r\n", "\tAnn@x.com", "\u00a0ANN@X.com "])
def test_two_spellings_are_one_member(make: MakeList, warehouse: str, spelling: str) -> None:
    target = make(warehouse=warehouse)
    target.account.add_profiles([{"email": "ann@x.com"}])
    target.users({1: {"email": spelling}, 2: {"email": "ann@x.com"}})
    report = target.sync()
    assert (report.added, report.rejected, report.counts.duplicates) == (1, 0, 1)
    target.audience(2)
    assert target.sync().state == "unchanged"
    assert target.listed() == {"ann@x.com"}


def test_capitals_beyond_ascii_are_one_member(make: MakeList) -> None:
    target = make()
    target.account.add_profiles([{"email": "élan@x.com"}])
    target.users({1: {"email": "ÉLAN@x.com"}, 2: {"email": "élan@x.com"}})
    assert (target.sync().added, target.ledger()) == (1, {"élan@x.com": "member"})

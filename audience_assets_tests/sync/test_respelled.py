"""Whoever keeps the number keeps its consent, whatever else of the identifier changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.live_list import MakeList, live_lists

NUMBER = "+12025550101"


@pytest.fixture
def make(tmp_path: Path, make_warehouse: Callable[[str], Engine]) -> Iterator[MakeList]:
    with live_lists(tmp_path, make_warehouse) as make:
        yield make


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("spelling", ["(202) 555-0101", "1 202 555 0101", "+1.202.555.0101"])
def test_another_spelling_of_a_number_opts_nobody_out(make: MakeList, warehouse: str, spelling: str) -> None:
    shop = make("sms", delay=20, warehouse=warehouse)
    shop.choose("sms", default_region="US")
    shop.account.add_profiles([{"phone_number": NUMBER}])
    shop.users({1: {"email": None, "phone": NUMBER}, 2: {"email": None, "phone": "+12025550102"}}, (1,))
    shop.sync()
    shop.users({1: {"email": None, "phone": spelling}}, (1,))
    for _ in range(3):
        shop.settle()
    assert (shop.status(NUMBER, "sms"), shop.listed()) == ("SUBSCRIBED", {NUMBER})
    assert (len(shop.ledger()), shop.reasons()) == (1, set())
    assert shop.sync().state == "unchanged"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_an_address_for_whom_a_number_was_known_keeps_the_texts(make: MakeList, warehouse: str) -> None:
    shop = make("email", "sms", delay=20, warehouse=warehouse)
    shop.account.add_profiles([{"email": "ann@example.com", "phone_number": NUMBER}])
    shop.users({1: {"email": None, "phone": NUMBER}})
    shop.sync()
    shop.users({1: {"email": "ann@example.com", "phone": NUMBER}})
    for _ in range(3):
        shop.settle()
    assert shop.status(NUMBER, "sms") == shop.status("ann@example.com") == "SUBSCRIBED"
    assert (shop.ledger(), shop.reasons()) == ({"ann@example.com": "member"}, set())


def test_another_number_is_opted_out(make: MakeList) -> None:
    shop = make("sms", delay=20)
    other = "+12025550102"
    shop.account.add_profiles([{"phone_number": NUMBER}])
    shop.account.add_profiles([{"phone_number": other}])
    shop.users({1: {"email": None, "phone": NUMBER}})
    shop.sync()
    shop.settle()
    shop.users({1: {"email": None, "phone": other}})
    for _ in range(3):
        shop.settle()
    assert (shop.status(NUMBER, "sms"), shop.status(other, "sms")) == ("UNSUBSCRIBED", "SUBSCRIBED")


def test_another_address_at_the_same_number_opts_out_the_old_address_alone(make: MakeList) -> None:
    shop = make("email", "sms", delay=20)
    shop.account.add_profiles([{"email": "old@example.com"}])
    shop.account.add_profiles([{"email": "new@example.com", "phone_number": NUMBER}])
    shop.users({1: {"email": "old@example.com", "phone": NUMBER}})
    shop.sync()
    shop.settle()
    shop.users({1: {"email": "new@example.com", "phone": NUMBER}})
    for _ in range(3):
        shop.settle()
    assert (shop.status("old@example.com"), shop.status("new@example.com")) == ("UNSUBSCRIBED", "SUBSCRIBED")
    assert shop.status(NUMBER, "sms") == "SUBSCRIBED"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_who_has_nothing_for_the_new_channel_leaves(make: MakeList, warehouse: str) -> None:
    shop = make(warehouse=warehouse)
    shop.account.add_profiles([{"email": "ann@example.com"}, {"email": "bob@example.com", "phone_number": NUMBER}])
    shop.users({1: {"email": "ann@example.com", "phone": None}, 2: {"email": "bob@example.com", "phone": NUMBER}})
    shop.sync()
    shop.choose("sms")
    for _ in range(3):
        shop.settle()
    assert (set(shop.ledger()), shop.listed()) == ({NUMBER}, {"bob@example.com"})
    assert shop.sync().state == "unchanged"

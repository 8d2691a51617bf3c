"""A user of the audience whom the users model does not hold at the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.klaviyo_list import USERS
from audience_assets_tests.sync.live_list import MakeList, live_lists


@pytest.fixture
def make(tmp_path: Path, make_warehouse: Callable[[str], Engine]) -> Iterator[MakeList]:
    with live_lists(tmp_path, make_warehouse) as maker:
        yield maker


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_who_is_in_the_audience_stays_while_the_users_table_is_loaded_anew(make: MakeList, warehouse: str) -> None:
    target = make(warehouse=warehouse)
    people = {number: {"email": f"person{number}@x.com"} for number in range(1, 5)}
    target.account.add_profiles(people.values())
    target.users(people)
    target.settle()
    with target.engine.begin() as connection:
        connection.execute(USERS.delete().where(USERS.c.id == 4))
    target.audience(2, 3, 4)
    assert target.settle().removed == 1
    assert target.listed() == {"person2@x.com", "person3@x.com", "person4@x.com"}
    assert set(target.ledger()) == target.listed()

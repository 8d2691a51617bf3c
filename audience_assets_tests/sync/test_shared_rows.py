"""A user may have two rows in the ledger, after a change of address that was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.world import World, make_world


@pytest.fixture
def build(make_warehouse: Callable[[str], Engine], tmp_path: Path) -> Callable[[str], World]:
    return lambda kind: make_world(tmp_path, make_warehouse(kind))


def interrupt(world: World, calls: int) -> None:
    done = len(world.vendor.calls())
    world.vendor.fail({done + call: "after" for call in range(1, calls + 1)})


@pytest.mark.parametrize("kind", WAREHOUSES)
@pytest.mark.parametrize("address", [None, "c@x.com", "d@x.com"])
def test_each_of_two_open_rows_is_removed_once(build: Callable[[str], World], kind: str, address: str | None) -> None:
    world = build(kind)
    world.set_people({1: ("d@x.com", None, 1), 2: ("a@x.com", None, 1)}, (1, 2))
    world.sync()
    world.set_people({1: ("d@x.com", None, 1), 2: ("b@x.com", None, 1)}, (1, 2))
    interrupt(world, 2)
    world.sync()
    assert world.ledger() == {"a@x.com": "in_doubt", "b@x.com": "in_doubt", "d@x.com": "member"}
    world.set_people({1: ("d@x.com", None, 1), 2: (address, None, 1)}, (1, 2))
    interrupt(world, 1)
    before = len(world.vendor.calls())
    world.sync()
    assert [size for name, size in world.vendor.calls()[before:] if name == "remove"] == [2]
    world.sync()
    wanted = {"d@x.com"} | ({address} if address else set())
    assert (set(world.vendor.held()), set(world.ledger())) == (wanted, wanted)
    assert world.sync().state == "unchanged"


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_whoever_may_be_in_the_list_is_taken_out_though_a_later_try_was_refused(
    build: Callable[[str], World], kind: str
) -> None:
    world = build(kind)
    ann, bob = ("ann@x.com", None, 1), ("bob@x.com", None, 2)
    world.set_people({1: ann, 2: bob}, (1,))
    interrupt(world, 1)
    world.sync()
    assert (world.ledger(), set(world.vendor.held())) == ({"ann@x.com": "in_doubt"}, {"ann@x.com"})
    world.vendor.refuse("ann@x.com")
    world.set_people({1: ann, 2: bob}, (1, 2))
    refused = world.sync()
    assert (refused.rejected, refused.members_after) == (1, 1)
    world.set_people({1: ann, 2: bob}, (2,))
    world.sync()
    assert (world.ledger(), set(world.vendor.held())) == ({"bob@x.com": "member"}, {"bob@x.com"})

"""Whoever is another contact by now leaves the list and enters it again, whatever else happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets.sync import plan_sync
from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.vendor import now
from audience_assets_tests.sync.world import Person, World, make_world

ANN: Person = ("ann@x.com", "Oslo", 1)
MOVED: Person = ("ann@x.com", "Rome", 1)
CID: Person = ("cid@x.com", "Oslo", 3)
BOTH = {"ann@x.com", "cid@x.com"}


@pytest.fixture
def build(make_warehouse: Callable[[str], Engine], tmp_path: Path) -> Callable[[str], World]:
    """A list whose member ann@x.com, user 2, is to leave it and enter it again."""

    def make(kind: str) -> World:
        world = make_world(tmp_path, make_warehouse(kind))
        world.set_people({2: ANN, 5: CID}, (2, 5))
        world.sync()
        world.vendor.take_for_another("ann@x.com")
        world.set_people({2: MOVED, 5: CID}, (2, 5))
        world.sync()
        return world

    return make


def removed(world: World, before: int) -> int:
    return sum(size for name, size in world.vendor.calls()[before:] if name == "remove")


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("people", "held"),
    [
        ({1: MOVED, 5: CID}, BOTH),  # another user has the address, and the one before is gone
        ({3: MOVED, 5: CID}, BOTH),
        ({1: ANN, 2: MOVED, 5: CID}, BOTH),  # a smaller key arrives
        ({2: ("dee@x.com", "Rome", 1), 3: ANN, 5: CID}, {*BOTH, "dee@x.com"}),  # the address is another user's now
        ({2: (None, "Rome", 1), 3: ANN, 5: CID}, BOTH),
        ({2: ("dee@x.com", "Rome", 1), 5: CID}, {"dee@x.com", "cid@x.com"}),
        ({5: CID}, {"cid@x.com"}),
    ],
)
def test_they_leave_once_whoever_they_are_by_then(
    build: Callable[[str], World], kind: str, people: dict[int, Person], held: set[str]
) -> None:
    world = build(kind)
    before = len(world.vendor.calls())
    world.set_people(people, people)
    left = world.sync()
    assert (left.counts.remove, removed(world, before)) == (1, 1)
    while world.sync().state != "unchanged":
        assert len(world.vendor.calls()) < 20, "it never ends"
    assert removed(world, before) == 1
    assert (set(world.vendor.held()), world.ledger()) == (held, dict.fromkeys(held, "member"))


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_who_leaves_for_good_meanwhile_leaves_nothing_open(build: Callable[[str], World], kind: str) -> None:
    world = build(kind)
    world.set_people({5: CID}, (5,))
    left = world.sync()
    assert (left.state, left.removed, left.retry) == ("delivered", 1, 0)
    assert world.ledger() == {"cid@x.com": "member"}


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_every_change_of_a_plan_is_told_once(build: Callable[[str], World], kind: str) -> None:
    world = build(kind)
    left = world.sync()
    assert (left.state, left.removed, left.retry, left.members_after) == ("partial", 0, 1, 1)
    calls = len(world.vendor.calls())
    world.vendor.fail({calls + 1: "before"})
    waits = world.sync()
    assert (waits.state, waits.added, waits.retry) == ("partial", 0, 1)
    assert world.sync().added == 1


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_a_dry_run_decides_nothing(build: Callable[[str], World], kind: str) -> None:
    world = build(kind)
    plan_sync(world.runtime, "vips", as_of=now())
    plan_sync(world.runtime, "vips", as_of=now())
    assert world.sync().counts.remove == 1
    plan_sync(world.runtime, "vips", as_of=now())
    assert world.sync().added == 1
    assert world.sync().state == "unchanged"
    assert set(world.vendor.held()) == BOTH

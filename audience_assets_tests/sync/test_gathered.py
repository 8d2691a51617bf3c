"""A service that gathers batches: they count when what they were gathered into is delivered, and not before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.assets.checks import rejection_rate
from audience_assets.destinations.base import (
    DestinationError,
    DestinationType,
    Gathers,
    Issue,
    ListRef,
    Member,
    Misconfigured,
    Outcome,
    Report,
    Status,
    Unavailable,
)
from audience_assets.forgetting import StillListed, forget, read_subject
from audience_assets.sync import open_rejections
from audience_assets_tests.sync.vendor import PlainVendor
from audience_assets_tests.sync.world import World, make_world

MakeWarehouse = Callable[[str], sa.Engine]
BATCHES_A_PARCEL = 3


class Parcels(PlainVendor):
    """Additions go out three batches at a time, or in the end. Parcels whose number is in `lost` do not arrive."""

    def __init__(self, path: Path, lost: dict[int, DestinationError]) -> None:
        super().__init__(path)
        self.lost = lost
        self.parcels: list[int] = []
        self.discarded = 0
        self._waiting: list[tuple[ListRef, Sequence[Member]]] = []
        self._delivery: Future[None] = Future()
        self._gathering = threading.Lock()

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        with self._gathering:
            self._waiting.append((target, members))
            delivery = self._delivery
            calls = self._send() if len(self._waiting) == BATCHES_A_PARCEL else 0
            return Report(calls=calls, delivery=delivery)

    def flush(self) -> int:
        return self._send() if self._waiting else 0

    def discard(self) -> None:
        self.discarded += len(self._waiting)
        self._waiting = []

    def _send(self) -> int:
        waiting, delivery = self._waiting, self._delivery
        self._waiting, self._delivery = [], Future()
        self.parcels.append(len(waiting))
        error = self.lost.get(len(self.parcels))
        if error is not None:
            delivery.set_exception(error)
            return 1
        for target, members in waiting:
            super().add(target, members)
        delivery.set_result(None)
        return 1


class Keeping(PlainVendor):
    """Can't take anybody off its list."""

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        issue = Issue("stays_in_list", f"they stay in {target.name}", channel="list")
        return Report([Outcome(member.identifier, Status.KEPT, issues=[issue]) for member in members])


def served(world: World, make: Callable[[Path], PlainVendor]) -> PlainVendor:
    """Put another service behind the world's activation."""
    kind: DestinationType = world.runtime.destinations["plain"]
    vendor = make(world.vendor.path)
    services = {name: replace(spec, connect=lambda _: vendor) for name, spec in kind.services.items()}
    world.runtime.destinations = {"plain": replace(kind, services=services)}
    return vendor


@pytest.fixture
def world(tmp_path: Path, make_warehouse: MakeWarehouse) -> World:
    return make_world(tmp_path, make_warehouse("sqlite"))


def people(count: int) -> dict[int, tuple[str | None, str | None, int | None]]:
    return {key: (f"p{key}@x.com", "Oslo", key) for key in range(1, count + 1)}


def gathering(world: World, lost: dict[int, DestinationError] | None = None) -> Parcels:
    vendor = served(world, lambda path: Parcels(path, lost or {}))
    assert isinstance(vendor, Parcels)
    assert isinstance(vendor, Gathers)
    return vendor


def test_batches_count_once_their_parcel_has_arrived(world: World) -> None:
    vendor = gathering(world)
    world.set_people(people(75), range(1, 76))
    told: list[int] = []
    report = world.sync(progress=lambda progress: told.append(progress.done))
    assert (report.added, report.state, report.calls) == (75, "delivered", 3)
    assert vendor.parcels == [3, 3, 2]
    assert set(told) <= {0, 30, 60, 75}
    assert len(vendor.held()) == 75
    assert world.sync().state == "unchanged"


def test_a_lost_parcel_leaves_its_batches_to_the_next_sync(world: World) -> None:
    vendor = gathering(world, {2: Unavailable("the line went dead")})
    world.set_people(people(75), range(1, 76))
    report = world.sync()
    assert (report.added, report.retry, report.state) == (45, 30, "partial")
    assert len(vendor.held()) == 45
    again = world.sync()
    assert (again.added, again.state) == (30, "delivered")
    assert len(vendor.held()) == 75


def test_a_vendor_that_is_down_is_given_up_and_what_is_gathered_is_let_go(world: World) -> None:
    vendor = gathering(world, {number: Unavailable(f"down, {number}") for number in range(1, 100)})
    world.set_people(people(500), range(1, 501))
    report = world.sync()
    assert report.added == 0
    assert report.state == "partial"
    assert 3 <= len(vendor.parcels) <= 10, "the rest was not tried"
    assert not vendor.held()
    vendor.lost.clear()
    assert world.sync().added == 500


def test_an_error_of_a_parcel_stops_the_sync(world: World) -> None:
    vendor = gathering(world, {2: Misconfigured("the door is locked")})
    world.set_people(people(75), range(1, 76))
    with pytest.raises(Misconfigured, match="locked"):
        world.sync()
    assert len(vendor.held()) in (30, 45)
    vendor.lost.clear()
    assert world.sync().state == "delivered"
    assert len(vendor.held()) == 75


def test_who_can_not_be_taken_off_is_no_member_any_more_and_told_of(world: World) -> None:
    vendor = served(world, Keeping)
    world.set_people(people(10), range(1, 11))
    world.sync()
    world.set_people(people(10), range(4, 11))
    report = world.sync()
    assert (report.removed, report.kept, report.rejected, report.members_after) == (0, 3, 0, 7)
    [row] = open_rejections(world.runtime, "vips")
    assert (row.reason, row.operation, row.rows) == ("stays_in_list", "remove", 3)
    assert len(vendor.held()) == 10
    assert rejection_rate(world.runtime, "vips", 7).passed, "they are no part of the audience"
    left = read_subject(world.runtime.project, "email", "p1@x.com")
    assert [each.status for each in forget(world.runtime, left).listed] == ["kept"]
    with pytest.raises(StillListed, match="by hand at the vendor"):
        forget(world.runtime, left, erase=True)
    assert world.sync().state == "unchanged", "they are not taken for leavers again"
    world.set_people(people(10), range(3, 11))
    assert world.sync().added == 1
    assert [row.rows for row in open_rejections(world.runtime, "vips")] == [2], "who came back is not counted"

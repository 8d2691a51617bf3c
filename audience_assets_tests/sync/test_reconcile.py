"""A list is compared with its ledger; who is missing is decided anew, and who is not ours is left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.destinations.base import ListMissing, ListRef, Member
from audience_assets.errors import AudienceError
from audience_assets.sync import Progress, Reconciliation, SyncBusy, latest_reconciliations, reconcile
from audience_assets.sync.lease import hold_lease
from audience_assets_tests.sync.vendor import now
from audience_assets_tests.sync.world import World, make_world

MakeWorld = Callable[..., World]
AT_ONCE = timedelta(0)
LIST = ListRef("id-VIPs", "VIPs")


@pytest.fixture
def world(tmp_path: Path, warehouse: sa.Engine) -> World:
    made = make_world(tmp_path, warehouse)
    made.set_people(people(*range(1, 31)), range(1, 31))
    made.sync()
    return made


def people(*keys: int) -> dict[int, tuple[str | None, str | None, int | None]]:
    return {key: (f"P{key}@Example.com", "paris", key) for key in keys}


def emails(*keys: int) -> list[str]:
    return [f"p{key}@example.com" for key in keys]


def take_off(world: World, *keys: int) -> None:
    """Somebody removes members by hand at the vendor."""
    world.vendor.remove(LIST, [Member(email, {}) for email in emails(*keys)])


def put_on(world: World, *addresses: str) -> None:
    """Somebody adds contacts by hand at the vendor."""
    world.vendor.add(LIST, [Member(address, {}) for address in addresses])


def compare(world: World, **options: Any) -> Reconciliation:
    return reconcile(world.runtime, "vips", **{"settling": AT_ONCE, **options})


def counts(found: Reconciliation) -> tuple[int, int, int, int]:
    return found.in_both, found.missing, found.undecided, found.not_ours


def test_an_untouched_list_equals_its_ledger(world: World) -> None:
    found = compare(world)
    assert (found.at_vendor, counts(found)) == (30, (30, 0, 0, 0))


def test_drift_is_counted_and_changes_nothing(world: World) -> None:
    take_off(world, 1, 2, 3)
    put_on(world, "stranger@example.com", "other@example.com")
    found = compare(world)
    assert (found.at_vendor, counts(found), found.applied) == (29, (27, 3, 0, 2), False)
    assert set(world.ledger().values()) == {"member"}
    assert world.sync().state == "unchanged"


def test_applied_the_missing_are_added_again_and_strangers_stay(world: World) -> None:
    take_off(world, 1, 2, 3)
    put_on(world, "stranger@example.com")
    before = world.vendor.calls()
    assert compare(world, apply=True).applied
    assert world.vendor.calls() == before, "only the ledger changes"
    report = world.sync()
    assert (report.counts.members_before, report.counts.retry, report.added) == (27, 3, 3)
    assert set(world.vendor.held()) == {*emails(*range(1, 31)), "stranger@example.com"}
    assert counts(compare(world)) == (30, 0, 0, 1)


def test_who_is_missing_and_leaves_the_audience_is_forgotten_without_a_call(world: World) -> None:
    take_off(world, 1, 2)
    compare(world, apply=True)
    before = world.vendor.calls()
    world.set_people(people(*range(2, 31)), range(3, 31))
    assert world.sync().state == "unchanged"
    assert world.vendor.calls() == before
    assert set(world.ledger()) == set(emails(*range(3, 31)))


def test_an_emptied_list_is_not_filled_again_unasked(world: World) -> None:
    take_off(world, *range(1, 31))
    found = compare(world, apply=True)
    assert (found.at_vendor, found.missing) == (0, 30)
    with pytest.raises(AudienceError, match="--approve"):
        world.sync()


def test_who_was_delivered_a_moment_ago_is_not_judged(world: World) -> None:
    take_off(world, 1)
    assert counts(compare(world, apply=True, settling=timedelta(hours=1))) == (29, 0, 1, 0)
    assert set(world.ledger().values()) == {"member"}


def test_who_is_in_doubt_is_left_to_the_next_sync(world: World) -> None:
    world.vendor.fail({len(world.vendor.calls()) + 1: "after"})
    world.set_people(people(*range(1, 33)), range(1, 33))
    assert world.sync().state == "partial"
    assert counts(compare(world, apply=True)) == (30, 0, 2, 0)
    assert world.sync().counts.retry == 2


def test_nothing_is_compared_while_the_list_is_written(world: World) -> None:
    with (
        hold_lease(world.runtime.engine, world.runtime.state.destination_list, "vips"),
        pytest.raises(SyncBusy, match="is running"),
    ):
        compare(world)
    assert latest_reconciliations(world.runtime) == {}


def test_the_newest_comparison_is_remembered(world: World) -> None:
    compare(world)
    take_off(world, 1)
    compare(world, apply=True)
    [newest] = latest_reconciliations(world.runtime).values()
    assert (newest["activation"], newest["missing"], newest["applied"]) == ("vips", 1, True)
    assert timedelta(0) <= now() - newest["reconciled_at"] < timedelta(minutes=5)


def test_nobody_who_is_not_ours_is_kept_in_the_warehouse(world: World) -> None:
    before = sa.inspect(world.runtime.engine).get_table_names(schema=world.runtime.state.metadata.schema)
    compare(world)
    after = sa.inspect(world.runtime.engine)
    assert after.get_table_names(schema=world.runtime.state.metadata.schema) == before
    assert after.get_temp_table_names() == [] if world.runtime.engine.dialect.name == "sqlite" else True


def test_progress_is_told_while_the_list_is_read(world: World) -> None:
    heard: list[Progress] = []
    compare(world, progress=heard.append)
    assert [(each.phase, each.done, each.total) for each in heard] == [("reading", 0, 30), ("reading", 30, 30)]


def test_a_list_that_was_never_delivered_has_nothing_to_compare(tmp_path: Path, warehouse: sa.Engine) -> None:
    with pytest.raises(AudienceError, match="nothing was ever delivered"):
        compare(make_world(tmp_path, warehouse))


def test_a_list_deleted_at_the_vendor_is_said(world: World) -> None:
    world.vendor.delete_list()
    with pytest.raises(ListMissing):
        compare(world, apply=True)
    assert set(world.ledger().values()) == {"member"}

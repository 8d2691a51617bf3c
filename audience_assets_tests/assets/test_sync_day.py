"""Midnight: what a run may deliver when the day it was asked for is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

import dagster as dg
import pytest

from audience_assets import build_definitions
from audience_assets.assets.sync_day import SyncDays
from audience_assets.project.project import ProjectFile, WarehouseSettings
from audience_assets_tests.assets.conftest import AT_ONCE
from audience_assets_tests.assets.shop import PEOPLE, Shop, newest_day

# In Paris, where the days of the project begin; an hour later in summer.
MIDNIGHT = datetime(2026, 6, 9, 22, tzinfo=UTC)
OVER, BEGUN = "2026-06-09", "2026-06-10"


def days_at(now: datetime) -> SyncDays:
    settings = ProjectFile(
        project="shop", timezone="Europe/Paris", warehouse=WarehouseSettings(url="sqlite://"), models={}
    )
    return SyncDays(settings, lambda: now)


@pytest.mark.parametrize(
    ("created", "now", "keys"),
    [
        # Minutes from midnight: when the run was made, and when its step begins.
        (-30, -29, {OVER}),
        (-30, 45, {OVER, BEGUN}),
        (1, 2, {OVER, BEGUN}),
        (11, 12, {BEGUN}),
        (-60 * 30, 12, {"2026-06-08", BEGUN}),
    ],
    ids=["same day", "waited over midnight", "asked just before midnight", "asked the next day", "waited for days"],
)
def test_what_a_run_may_deliver(created: int, now: int, keys: set[str]) -> None:
    days = days_at(MIDNIGHT + timedelta(minutes=now))
    assert days.deliverable(MIDNIGHT + timedelta(minutes=created)) == keys


@pytest.mark.parametrize(("minutes", "key"), [(-1, OVER), (0, BEGUN)])
def test_the_day_begins_at_the_projects_midnight(minutes: int, key: str) -> None:
    assert days_at(MIDNIGHT + timedelta(minutes=minutes)).newest() == key


def at_midnight(shop: Shop, *, days_after: list[int]) -> Shop:
    """The shop with a clock that tells so many days from now, one call after the other; the last for good."""
    told = chain(days_after, repeat(days_after[-1]))
    clock: Callable[[], datetime] = lambda: datetime.now(UTC) + timedelta(days=next(told))  # noqa: E731
    return replace(shop, definitions=build_definitions(shop.folder, retries=AT_ONCE, now=clock))


def test_a_run_that_waited_over_midnight_delivers(shop: Shop) -> None:
    later = at_midnight(shop, days_after=[1])
    later.materialize("segment/everybody")
    assert later.materialize("klaviyo/news", partition=newest_day()).success
    assert len(later.members("News")) == PEOPLE


def test_a_run_whose_day_ends_while_it_works_delivers_all_its_lists(shop: Shop) -> None:
    """And leaves nothing to be asked for again the next day."""
    shop.tick("warehouse_changes")
    later = at_midnight(shop, days_after=[0, 1])
    assert later.materialize(partition=newest_day()).success
    assert (len(later.members("News")), len(later.members("Best customers"))) == (PEOPLE, PEOPLE - 19)
    assert later.tick("klaviyo_stale_lists").run_requests == []


def test_stale_lists_are_asked_for_on_the_day_of_the_clock(shop: Shop) -> None:
    yesterday = at_midnight(shop, days_after=[-1])
    yesterday.materialize("segment/everybody", "segment/best")
    [request] = yesterday.tick("klaviyo_stale_lists").run_requests
    assert request.partition_key < newest_day()


def test_a_tick_that_is_made_up_for_after_midnight_delivers(shop: Shop) -> None:
    """Dagster's run for it is of a day that is over; a person who asks for that day is refused."""
    name, at = "klaviyo_hourly_at_15", datetime.now(UTC) - timedelta(days=2)
    schedule, repository = shop.definitions.resolve_schedule_def(name), shop.definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=shop.instance, scheduled_execution_time=at, repository_def=repository
    ) as context:
        [request] = schedule.evaluate_tick(context).run_requests or []
    job = shop.definitions.resolve_job_def(f"{name}_job")

    def run(tags: Mapping[str, str]) -> bool:
        key = request.partition_key
        return job.execute_in_process(
            instance=shop.instance, partition_key=key, tags=tags, raise_on_error=False
        ).success

    assert not run({})
    assert shop.writes() == 0
    assert run(request.tags)
    assert len(shop.members("Best customers")) == PEOPLE - 19

"""One writer per list: a run that was taken over can't touch what its successor plans and sends."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.runtime import Runtime
from audience_assets.sync import LeaseLost, Progress, SyncBusy, SyncReport, run_sync
from audience_assets.sync.lease import hold_lease
from audience_assets_tests.sync.vendor import now
from audience_assets_tests.sync.world import World, make_runtime, make_world

# DuckDB takes one process at a time.
SHARED = ("sqlite", "postgresql")
PEOPLE = {number: (f"p{number}@example.com", None, number) for number in range(1, 4)}


@pytest.fixture
def build(make_warehouse: Callable[[str], Engine], tmp_path: Path) -> Callable[[str], World]:
    def make(kind: str) -> World:
        world = make_world(tmp_path, make_warehouse(kind))
        world.set_people(PEOPLE, PEOPLE)
        return world

    return make


def take_away(world: World) -> None:
    """As if the owner's machine had been silent for long, and was another one."""
    registry = world.runtime.state.destination_list
    with world.runtime.engine.begin() as connection:
        past = now() - timedelta(minutes=5)
        connection.execute(registry.update().values(lease_owner="elsewhere|1|gone", lease_until=past))


def another_process(world: World) -> Runtime:
    guard = world.runtime.project.effective["vips"].guard
    return make_runtime(world.runtime.limits_folder, world.runtime.engine, guard=guard, consent=False)


@pytest.mark.parametrize("kind", SHARED)
def test_a_run_that_lost_its_list_leaves_the_successors_plan_alone(build: Callable[[str], World], kind: str) -> None:
    world = build(kind)
    successor = another_process(world)
    planned, go_on = threading.Event(), threading.Event()

    def wait_with_the_plan(progress: Progress) -> None:
        if progress.phase == "delivering" and not planned.is_set():
            planned.set()
            assert go_on.wait(60)

    with ThreadPoolExecutor(1) as pool:

        def lose(progress: Progress) -> None:
            if progress.phase == "planning":
                take_away(world)
                started = pool.submit(run_sync, successor, "vips", as_of=now(), progress=wait_with_the_plan)
                runs.append(started)
                assert planned.wait(60)
                world.set_people(PEOPLE, ())

        runs: list[Future[SyncReport]] = []
        with pytest.raises(LeaseLost):
            world.sync(progress=lose)
        go_on.set()
    report = runs[0].result()
    assert (report.added, set(world.vendor.held())) == (3, {f"p{number}@example.com" for number in PEOPLE})


@pytest.mark.parametrize("kind", SHARED)
def test_an_owner_that_has_prolonged_its_lease_meanwhile_keeps_it(build: Callable[[str], World], kind: str) -> None:
    """It was silent because it planned, in one long transaction, and its heartbeat waited for that."""
    world = build(kind)
    world.sync()
    table, engine = world.runtime.state.destination_list, world.runtime.engine
    with hold_lease(engine, table, "vips"):
        take_away(world)
        prolonged: list[str] = []

        @sa.event.listens_for(engine, "before_cursor_execute")
        def prolong(connection: sa.Connection, _cursor: object, statement: str, *_rest: object) -> None:
            if not prolonged and statement.startswith("UPDATE") and "fence" in statement.partition("WHERE")[0]:
                prolonged.append(statement)
                connection.execute(table.update().values(lease_until=datetime.now(UTC) + timedelta(seconds=60)))

        with pytest.raises(SyncBusy), hold_lease(engine, table, "vips"):
            pytest.fail("taken from an owner that is alive")


def test_the_lease_of_a_process_that_had_this_ones_number_is_no_obstacle(build: Callable[[str], World]) -> None:
    """In a container that starts again, as another one before it, every process is number 1."""
    world = build("sqlite")
    world.sync()
    registry = world.runtime.state.destination_list
    with world.runtime.engine.begin() as connection:
        owner = f"{socket.gethostname()}|{os.getpid()}|0badcafe"
        connection.execute(registry.update().values(lease_owner=owner, lease_until=now() + timedelta(seconds=60)))
    assert world.sync().state == "unchanged"


def test_a_heartbeat_that_waits_for_the_database_holds_nobody_up(build: Callable[[str], World]) -> None:
    """A sync's transaction has SQLite's write lock, its heartbeat comes, then that transaction prolongs the lease."""
    world = build("sqlite")
    world.sync()
    engine, coming = world.runtime.engine, threading.Event()
    with hold_lease(engine, world.runtime.state.destination_list, "vips") as lease, ThreadPoolExecutor(2) as threads:
        with engine.begin() as connection:
            sa.event.listen(engine, "before_cursor_execute", lambda *_: coming.set())
            beat = threads.submit(lease.beat, engine)
            assert coming.wait(60)
            threads.submit(lease.assert_held, connection).result(timeout=20)
        beat.result(timeout=20)

"""kill -9 at every step: nothing is lost, nobody is left behind, and the next run finishes the job."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets_tests.processes import PROCESSES
from audience_assets_tests.sync.killed import sync_until
from audience_assets_tests.sync.world import World, make_world

MakeWarehouse = Callable[[str], sa.Engine]


def killed_at(world: World, folder: Path, statement: int, *, consent: bool = False, naming: str = "") -> bool:
    """Sync in a process that dies at a statement (of those `naming` a table). False if it ended before it got there."""
    url = world.runtime.engine.url.render_as_string(hide_password=False)
    process = PROCESSES.Process(
        target=sync_until,
        args=(str(folder), url, statement),
        kwargs={"consent": consent, "naming": naming},
        daemon=True,
    )
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def desire(world: World, rng: random.Random) -> set[str]:
    """A new audience of about 30, some with shared or changed addresses; returns the identifiers it means."""
    audience = rng.sample(range(1, 61), 30)
    names = {key: key if rng.random() < 0.9 else rng.randint(1, 60) for key in range(1, 61)}
    people = {key: (f"p{name}@x.com", rng.choice("ab"), key) for key, name in names.items()}
    world.set_people(people, audience)
    return {people[key][0] for key in audience}


def every_step(world: World, folder: Path, seed: int, *, start: int = 1, stride: int = 1) -> int:
    """Kill a sync at every `stride`-th statement from `start` on, until one ends unharmed; returns how far that is."""
    rng = random.Random(seed)
    desire(world, rng)
    world.sync()
    statement = start
    while True:
        desire(world, rng)
        before = len(world.vendor.calls())
        died = killed_at(world, folder, statement)
        wanted = desire(world, rng)  # the warehouse moves on before the next run
        report = world.sync()
        assert report.state in ("delivered", "unchanged"), statement
        assert set(world.vendor.held()) == wanted, f"killed at statement {statement}"
        assert set(world.ledger()) == wanted
        assert set(world.ledger().values()) <= {"member"}
        assert world.sync().state == "unchanged", "nothing was left open"
        # In flight at a kill: at most nine batches of ten, besides what both plans needed.
        assert len(world.vendor.calls()) - before <= 30
        if not died:
            return statement
        statement += stride


@pytest.mark.long
@pytest.mark.parametrize("start", [1, 2])
def test_killed_at_every_statement_on_sqlite(tmp_path: Path, make_warehouse: MakeWarehouse, start: int) -> None:
    """The odd ones and the even ones, which two workers can run at a time."""
    steps = every_step(make_world(tmp_path, make_warehouse("sqlite")), tmp_path, seed=5, start=start, stride=2)
    assert steps > 30, "a sync has that many steps to die at"


@pytest.mark.long
def test_killed_at_every_third_statement_on_postgres(tmp_path: Path, make_warehouse: MakeWarehouse) -> None:
    assert every_step(make_world(tmp_path, make_warehouse("postgresql")), tmp_path, seed=2, stride=3) > 30


def test_a_first_sync_killed_before_it_enters_the_ledger(tmp_path: Path, make_warehouse: MakeWarehouse) -> None:
    world = make_world(tmp_path, make_warehouse("sqlite"))
    people = {key: (f"p{key}@x.com", "rome", key) for key in range(1, 261)}
    world.set_people(people, people)
    world.vendor.refuse("p3@x.com", "p255@x.com")
    assert killed_at(world, tmp_path, 1, naming="INTO audience_assets_list_vips")
    assert (len(world.vendor.held()), world.ledger()) == (258, {})
    del people[1]
    world.set_people(people, people)
    report = world.sync()
    wanted = {email for email, _, _ in people.values()}
    assert (report.removed, report.added, report.members_after) == (1, 0, 257)
    assert set(world.vendor.held()) == wanted - {"p3@x.com", "p255@x.com"}
    assert set(world.ledger()) == wanted
    assert world.sync().state == "unchanged", "nothing was left open"


def test_a_sync_killed_after_it_took_everybody_off_is_no_lost_ledger(
    tmp_path: Path, make_warehouse: MakeWarehouse
) -> None:
    world = make_world(tmp_path, make_warehouse("sqlite"))
    people = {key: (f"p{key}@x.com", "rome", key) for key in range(1, 6)}
    world.set_people(people, (1, 2))
    world.sync()
    world.set_people(people, (3,))
    world.vendor.refuse("p3@x.com")
    assert killed_at(world, tmp_path, 1, naming="DELETE FROM audience_assets_list_vips")
    assert world.vendor.held() == {}
    world.set_people(people, (4, 5))
    assert world.sync().added == 2
    assert set(world.vendor.held()) == {"p4@x.com", "p5@x.com"}


@pytest.mark.parametrize("moment", ["kill_before", "kill_after"])
def test_killed_inside_a_call(tmp_path: Path, make_warehouse: MakeWarehouse, moment: str) -> None:
    world = make_world(tmp_path, make_warehouse("sqlite"))
    rng = random.Random(3)
    desire(world, rng)
    world.sync()
    for call in range(1, 6):
        desire(world, rng)
        world.vendor.fail({len(world.vendor.calls()) + call: moment})
        killed_at(world, tmp_path, 10_000)
        wanted = desire(world, rng)
        world.sync()
        world.sync()
        assert set(world.vendor.held()) == wanted


def test_an_interrupted_consent_is_in_the_log(tmp_path: Path, make_warehouse: MakeWarehouse) -> None:
    world = make_world(tmp_path, make_warehouse("sqlite"), consent=True)
    world.set_people({1: ("a@x.com", "rome", 1)}, (1,))
    world.vendor.fail({1: "kill_after"})
    assert killed_at(world, tmp_path, 10_000, consent=True)
    world.set_people({1: ("a@x.com", "rome", 1)}, ())
    report = world.sync()
    assert (report.recovered, report.removed) == (1, 1)
    log = world.runtime.state.consent_log
    with world.runtime.engine.begin() as connection:
        query = sa.select(log.c.identifier, log.c.status, log.c.certain).order_by(log.c.logged_at)
        rows = connection.execute(query).all()
    assert [tuple(row) for row in rows] == [("a@x.com", "subscribed", False), ("a@x.com", "unsubscribed", True)]

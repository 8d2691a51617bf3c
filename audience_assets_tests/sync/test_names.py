"""Names that a team may give, however long or unlucky, and every type of key."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.project.models import Segment
from audience_assets.sync import run_sync
from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.vendor import now
from audience_assets_tests.sync.world import World, make_world

SALE = "black_friday_2026_early_access_customers_"


@pytest.fixture
def build(make_warehouse: Callable[[str], Engine], tmp_path: Path) -> Callable[[str], World]:
    return lambda kind: make_world(tmp_path, make_warehouse(kind))


def declare(world: World, name: str) -> None:
    project = world.runtime.project
    project.segments[name] = Segment(segment=name)
    project.effective[name] = project.effective["vips"].model_copy(update={"name": name, "audience": name})


@pytest.mark.parametrize("kind", WAREHOUSES)
@pytest.mark.parametrize(
    "names", [("run", "history"), (f"{SALE}fr", f"{SALE}de"), (f"{SALE}{SALE}"[:59] + "x", f"{SALE}{SALE}"[:59] + "y")]
)
def test_any_two_names_live_side_by_side(build: Callable[[str], World], kind: str, names: tuple[str, str]) -> None:
    world = build(kind)
    runtime = world.runtime
    world.set_people({1: ("a@x.com", None, 1), 2: ("b@x.com", None, 1)}, ())
    for name in names:
        declare(world, name)
        assert refresh_segment(runtime.engine, runtime.state, runtime.project, name, now()).size == 2
        assert run_sync(runtime, name, as_of=now()).added == 2
        assert refresh_segment(runtime.engine, runtime.state, runtime.project, name, now()).entered == 0


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_users_with_uuids_may_share_an_address(build: Callable[[str], World], kind: str) -> None:
    world = build(kind)
    runtime = world.runtime
    models = runtime.project.settings.models
    models["people"] = models["users"].model_copy(update={"key_type": "uuid", "table": "people"})
    people = sa.Table(
        "people",
        sa.MetaData(),
        sa.Column("id", sa.Uuid(as_uuid=False).with_variant(sa.String(), "sqlite"), primary_key=True),
        *(sa.Column(column.name, column.type) for column in world.users.columns if column.name != "id"),
    )
    people.create(runtime.engine)
    with runtime.engine.begin() as connection:
        for number in range(4):
            key = str(uuid.UUID(int=number + 1))
            connection.execute(people.insert().values(id=key, email=f"p{number // 2}@x.com", score=1))
    runtime.project.segments["all"] = Segment(segment="all", model="people")
    effective = runtime.project.effective
    effective["all"] = effective["vips"].model_copy(update={"name": "all", "audience": "all", "model": "people"})
    refresh_segment(runtime.engine, runtime.state, runtime.project, "all", now())
    report = run_sync(runtime, "all", as_of=now())
    assert (report.added, report.counts.duplicates) == (2, 2)
    assert run_sync(runtime, "all", as_of=now()).state == "unchanged"

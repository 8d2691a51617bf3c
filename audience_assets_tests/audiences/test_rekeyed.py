"""The key of a users model gets another type: stored memberships follow it, and keep what is known of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.refresh import SegmentRun, refresh_segment
from audience_assets.audiences.stored import NotComputed
from audience_assets.project.models import Model, ModelField, Segment
from audience_assets.project.project import Project, ProjectFile, WarehouseSettings
from audience_assets.warehouse.column_types import KEY_TYPES
from audience_assets.warehouse.state import State
from audience_assets_tests.audiences.shop import AS_OF

LATER = AS_OF + timedelta(days=1)
FIRST = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


def project_of(key_type: Any, root: Path, **segments: Any) -> Project:
    model = Model(type="users", table="people", key="id", key_type=key_type, fields={"city": ModelField(type="text")})
    settings = ProjectFile(project="p", warehouse=WarehouseSettings(url="sqlite://"), models={"people": model})
    declared = {"everybody": {}, **segments}
    return Project(
        root=root,
        settings=settings,
        segments={name: Segment.model_validate({"segment": name, **each}) for name, each in declared.items()},
        destinations={},
        activations={},
    )


def fill(engine: Engine, key_type: str, *keys: Any) -> None:
    people = sa.Table("people", sa.MetaData(), sa.Column("id", KEY_TYPES[key_type]), sa.Column("city", sa.String))
    people.drop(engine, checkfirst=True)
    people.create(engine)
    with engine.begin() as connection:
        connection.execute(people.insert(), [{"id": key, "city": "paris"} for key in keys])


def compute(
    state: State, project: Project, name: str = "everybody", as_of: datetime = LATER
) -> tuple[SegmentRun, dict[Any, datetime]]:
    run = refresh_segment(state.engine, state, project, name, as_of)
    members = state.segment(name, project.models["people"].key_type)
    with state.engine.connect() as connection:
        return run, {row.user_key: row.entered_at for row in connection.execute(sa.select(members))}


@pytest.fixture
def state(warehouse: Engine) -> State:
    made = State(warehouse)
    made.create()
    return made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("integer", [1, 2]), ("text", ["1", "x7"])),
        (("text", ["1", "x2"]), ("integer", [1, 7])),
        (("text", [FIRST, "x2"]), ("uuid", [FIRST, OTHER])),
    ],
)
def test_a_key_of_another_type_loses_no_membership(
    state: State, tmp_path: Path, before: tuple[str, list[Any]], after: tuple[str, list[Any]]
) -> None:
    fill(state.engine, *before[:1], *before[1])
    first, _ = compute(state, project_of(before[0], tmp_path), as_of=AS_OF)
    fill(state.engine, *after[:1], *after[1])
    run, members = compute(state, project_of(after[0], tmp_path))
    assert members == {after[1][0]: AS_OF, after[1][1]: LATER}
    assert (run.size, run.entered, run.left, run.previous_size) == (2, 1, 1, 2)
    assert run.version != first.version
    with state.engine.connect() as connection:
        closed = [tuple(row) for row in connection.execute(sa.select(state.segment_history))]
    assert closed == [("everybody", str(before[1][1]), AS_OF, LATER)]
    assert compute(state, project_of(after[0], tmp_path))[0].version == run.version


def test_who_left_before_the_change_is_still_known(state: State, tmp_path: Path) -> None:
    fill(state.engine, "text", "1", "x2", "3")
    compute(state, project_of("text", tmp_path), as_of=AS_OF - timedelta(days=2))
    fill(state.engine, "text", "3")
    compute(state, project_of("text", tmp_path), as_of=AS_OF)
    fill(state.engine, "integer", 3)
    gone = {"where": {"segment": "everybody", "left_within": "9d"}}
    project = project_of("integer", tmp_path, gone=gone)
    compute(state, project)
    fill(state.engine, "integer", 1, 3)
    assert set(compute(state, project, "gone")[1]) == {1}


@pytest.mark.parametrize("asked", ["joined_within", "left_within"])
def test_a_membership_under_former_keys_is_not_taken_for_an_empty_one(state: State, tmp_path: Path, asked: str) -> None:
    fill(state.engine, "integer", 1)
    compute(state, project_of("integer", tmp_path))
    fill(state.engine, "text", "1")
    lately = {"where": {"segment": "everybody", asked: "9d"}}
    with pytest.raises(NotComputed, match=r"the key of people was integer, which is text now.*insights everybody"):
        compute(state, project_of("text", tmp_path, lately=lately), "lately")


def test_an_uploaded_list_follows_the_key(state: State, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/friends.csv").write_text("id\n1\n")
    friends = {"friends": {"where": {"list": "friends"}}}
    fill(state.engine, "integer", 1, 2)
    compute(state, project_of("integer", tmp_path, **friends), "friends")
    fill(state.engine, "text", "1", "2")
    assert set(compute(state, project_of("text", tmp_path, **friends), "friends")[1]) == {"1"}

"""The project changes around a list that is kept already: it is said before anything happens, and nobody is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.audiences.stored import NotComputed
from audience_assets.project.activations import Destination
from audience_assets.sync import KeysChanged, ListMoved, list_notes, plan_sync, reconcile, run_sync
from audience_assets_tests.sync.test_crash import killed_at
from audience_assets_tests.sync.vendor import PlainVendor, now
from audience_assets_tests.sync.world import World, make_world

Build = Callable[..., World]


@pytest.fixture
def build(tmp_path: Path, warehouse: sa.Engine) -> Build:
    def made(**options: Any) -> World:
        world = make_world(tmp_path, warehouse, **options)
        world.set_people({key: (f"p{key}@example.com", "paris", key) for key in (1, 2, 3)}, (1, 2))
        return world

    return made


@pytest.fixture
def world(build: Build) -> World:
    made = build()
    made.sync()
    return made


def change(world: World, **settings: Any) -> None:
    effective = world.runtime.project.effective
    effective["vips"] = effective["vips"].model_copy(update=settings)


def move(world: World, folder: Path) -> PlainVendor:
    """The activation goes to another account."""
    other = folder / "other.sqlite"
    world.runtime.project.destinations["elsewhere"] = Destination(type="plain", settings={"path": str(other)})
    change(world, destination="elsewhere")
    return PlainVendor(other)


def syncs(world: World) -> int:
    with world.runtime.engine.begin() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(world.runtime.state.sync)) or 0


def ways(world: World) -> list[Callable[[], object]]:
    return [
        world.sync,
        lambda: plan_sync(world.runtime, "vips", as_of=now()),
        lambda: reconcile(world.runtime, "vips"),
    ]


# -- another destination --------------------------------------------------------------------------------------------


def test_a_list_at_another_destination_is_not_taken_over(world: World, tmp_path: Path) -> None:
    other = move(world, tmp_path)
    before = syncs(world)
    for way in ways(world):
        with pytest.raises(ListMoved) as raised:
            way()
        said = str(raised.value)
        assert "'VIPs' with 2 members is at plain" in said and "sends it to elsewhere" in said and "--recreate" in said
    assert (other.calls(), other.held(), syncs(world)) == ([], {}, before)
    [note] = list_notes(world.runtime)
    assert (note.activation, note.check) == ("vips", "list moved")


def test_told_so_a_list_begins_anew_at_the_other_destination(world: World, tmp_path: Path) -> None:
    other = move(world, tmp_path)
    before = world.vendor.calls()
    world.set_people({1: ("p1@example.com", None, 1), 3: ("p3@example.com", None, 3)}, (1, 3))
    report = world.sync(recreate=True)
    assert (report.added, report.removed) == (2, 0)
    assert set(other.held()) == set(world.ledger()) == {"p1@example.com", "p3@example.com"}
    assert set(world.vendor.held()) == {"p1@example.com", "p2@example.com"}, "the old list is left as it is"
    assert world.vendor.calls() == before
    assert list_notes(world.runtime) == []
    assert world.sync().state == "unchanged"


def test_a_refusal_of_the_former_account_does_not_follow(world: World, tmp_path: Path) -> None:
    world.vendor.refuse("p3@example.com")
    world.set_people({3: ("p3@example.com", None, 3)}, (3,))
    assert world.sync().rejected == 1
    move(world, tmp_path)
    world.set_people({}, ())
    world.sync(recreate=True)
    rejection = world.runtime.state.rejection
    with world.runtime.engine.begin() as connection:
        assert connection.execute(sa.select(rejection)).all() == []


def test_who_was_on_the_way_to_the_former_account_is_logged_there(
    tmp_path: Path, make_warehouse: Callable[[str], sa.Engine]
) -> None:
    world = make_world(tmp_path, make_warehouse("sqlite"), consent=True)
    world.set_people({1: ("a@x.com", "rome", 1)}, (1,))
    world.vendor.fail({1: "kill_after"})
    assert killed_at(world, tmp_path, 10_000, consent=True)
    move(world, tmp_path)
    world.sync(recreate=True)
    log = world.runtime.state.consent_log
    with world.runtime.engine.begin() as connection:
        query = sa.select(log.c.destination, log.c.certain).order_by(log.c.destination)
        assert [tuple(row) for row in connection.execute(query)] == [("elsewhere", True), ("plain", False)]


def test_a_list_that_was_never_delivered_may_go_anywhere(build: Build, tmp_path: Path) -> None:
    world = build()
    plan_sync(world.runtime, "vips", as_of=now())
    other = move(world, tmp_path)
    assert world.sync().added == len(other.held()) == 2
    assert world.sync().state == "unchanged"


# -- another name ---------------------------------------------------------------------------------------------------


def test_a_new_list_name_is_said_and_starts_no_second_list(world: World) -> None:
    change(world, list_name="Very important people")
    [said] = plan_sync(world.runtime, "vips", as_of=now()).notes
    assert "'Very important people'" in said and "'VIPs'" in said and "Rename it at the vendor" in said
    assert [(note.check, note.message) for note in list_notes(world.runtime)] == [("list name", said)]
    world.set_people({3: ("p3@example.com", None, 3)}, (1, 2, 3))
    assert world.sync().list_name == "VIPs"
    assert world.vendor.find_list("Very important people") is None


def test_a_list_that_was_renamed_at_the_vendor_is_called_so(world: World) -> None:
    change(world, list_name="Very important people")
    world.vendor.rename_list("VIPs", "Very important people")
    assert plan_sync(world.runtime, "vips", as_of=now()).notes == []
    world.set_people({key: (f"p{key}@example.com", "paris", key) for key in (1, 2, 3)}, (1, 2, 3))
    assert world.sync().list_name == "Very important people"
    assert list_notes(world.runtime) == []


def test_a_list_as_the_project_names_it_has_no_note(world: World) -> None:
    assert (plan_sync(world.runtime, "vips", as_of=now()).notes, list_notes(world.runtime)) == ([], [])


# -- no activation any more -----------------------------------------------------------------------------------------


def test_a_list_that_nobody_keeps_any_more_is_told_of(world: World) -> None:
    del world.runtime.project.effective["vips"]
    [note] = list_notes(world.runtime)
    assert (note.activation, note.check) == ("vips", "list without activation")
    assert "'VIPs' at plain" in note.message and "2 members" in note.message


def test_an_empty_list_that_nobody_keeps_harms_nobody(world: World) -> None:
    world.set_people({}, ())
    world.sync()
    del world.runtime.project.effective["vips"]
    assert list_notes(world.runtime) == []


def test_a_renamed_activation_finds_its_list_again(world: World) -> None:
    effective = world.runtime.project.effective
    effective["best"] = effective.pop("vips").model_copy(update={"name": "best"})
    [note] = list_notes(world.runtime)
    assert note.activation == "vips"
    assert run_sync(world.runtime, "best", as_of=now()).list_id == "id-VIPs"
    assert list_notes(world.runtime) == []
    world.set_people({1: ("p1@example.com", "paris", 1)}, (1,))
    run_sync(world.runtime, "best", as_of=now())
    assert set(world.vendor.held()) == {"p1@example.com"}


# -- keys and segments ----------------------------------------------------------------------------------------------


def with_key_type(world: World, key_type: Any) -> None:
    project = world.runtime.project
    model = project.models["users"].model_copy(update={"key_type": key_type})
    settings = project.settings.model_copy(update={"models": {"users": model}})
    world.runtime.project = replace(project, settings=settings)


def test_keys_of_another_type_are_refused_before_anything_is_written(world: World) -> None:
    with_key_type(world, "text")
    calls, before = world.vendor.calls(), syncs(world)
    for way in ways(world):
        with pytest.raises(KeysChanged, match=r"keys that are integer.*list_vips.*docs/operations.md") as raised:
            way()
        assert "Declare `key_type: integer` again" in str(raised.value)
    assert (world.vendor.calls(), syncs(world)) == (calls, before)
    assert len(world.ledger()) == 2


def test_a_segment_under_former_keys_is_computed_anew_first(build: Build) -> None:
    world = build()
    with_key_type(world, "text")
    with pytest.raises(NotComputed, match=r"computed when the key of users was integer.*insights vips"):
        world.sync()


def test_a_segment_that_was_never_computed_is_not_an_empty_one(world: World) -> None:
    world.members.drop(world.runtime.engine)
    calls, before = world.vendor.calls(), syncs(world)
    for way in ways(world)[:2]:
        with pytest.raises(NotComputed, match=r"segment vips was never computed.*audience-assets insights vips"):
            way()
    assert (world.vendor.calls(), syncs(world)) == (calls, before)
    assert reconcile(world.runtime, "vips").at_vendor == 2, "which needs no segment"

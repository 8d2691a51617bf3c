"""A person is erased from every table of ours, and nobody else is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.errors import AudienceError
from audience_assets.forgetting import Erasure, StillListed, forget, proofs_of, read_subject
from audience_assets.project.models import Segment
from audience_assets.sync import SyncBusy, plan_sync
from audience_assets.sync.lease import hold_lease
from audience_assets_tests.forgetting.memory import memory, remembers
from audience_assets_tests.sync.vendor import now
from audience_assets_tests.sync.world import World, make_world

ANN, BOB, CID = 7_000_001, 7_000_002, 7_000_003
PEOPLE = {
    ANN: (" Ann@Example.com", "paris", 1),
    BOB: ("bob@example.com", "paris", 2),
    CID: ("cid@example.com", "paris", 3),
}
TRACES = ("ann@example.com", str(ANN))


@pytest.fixture
def world(tmp_path: Path, warehouse: sa.Engine) -> World:
    """A list of three, who were opted in; the vendor does not know Cid."""
    made = make_world(tmp_path, warehouse, consent=True)
    made.vendor.forget("cid@example.com")
    made.set_people(PEOPLE, PEOPLE)
    made.sync()
    return made


def leave(world: World, *keys: int) -> None:
    """People are deleted from the warehouse, the segment is computed, the list delivered."""
    stay = {key: person for key, person in PEOPLE.items() if key not in keys}
    world.set_people(stay, stay)
    history = world.runtime.state.segment_history
    rows = [{"segment": "vips", "user_key": str(key), "entered_at": now(), "left_at": now()} for key in keys]
    with world.runtime.engine.begin() as connection:
        connection.execute(history.insert(), rows)
    world.sync()


def ask(world: World, given: str, kind: str = "email", *, erase: bool = True, even_if_listed: bool = False) -> Erasure:
    subject = read_subject(world.runtime.project, kind, given)
    return forget(world.runtime, subject, erase=erase, even_if_listed=even_if_listed)


@pytest.mark.parametrize(("kind", "given"), [("email", "ANN@example.com "), ("user", str(ANN))])
def test_who_left_is_erased_everywhere_and_nobody_else_is(world: World, kind: str, given: str) -> None:
    leave(world, ANN)
    assert remembers(world.runtime, *TRACES)
    others = remembers(world.runtime, "bob@example.com", "cid@example.com")
    found = ask(world, given, kind)
    assert found.erased
    assert found.rows == {"segment_history": 1, "consent_log": 2}
    assert (found.listed, found.users, found.segments) == ([], {}, [])
    assert remembers(world.runtime, *TRACES) == set()
    assert remembers(world.runtime, "bob@example.com", "cid@example.com") == others
    assert world.sync().counts.members_before == 1
    assert remembers(world.runtime, *TRACES) == set()


def test_without_a_word_to_erase_it_is_only_counted(world: World) -> None:
    leave(world, ANN)
    before = memory(world.runtime)
    found = ask(world, "ann@example.com", erase=False)
    assert (found.erased, found.rows) == (False, {"segment_history": 1, "consent_log": 2})
    assert memory(world.runtime) == before


def test_who_is_in_a_list_is_not_erased(world: World) -> None:
    before = memory(world.runtime)
    with pytest.raises(StillListed, match="still in vips") as refused:
        ask(world, "ann@example.com")
    assert "ann@" not in str(refused.value)
    assert [(each.activation, each.status) for each in refused.value.found.listed] == [("vips", "member")]
    assert memory(world.runtime) == before


def test_who_never_got_into_the_list_is_erased(world: World) -> None:
    found = ask(world, "cid@example.com")
    assert found.rows == {"list_vips": 1, "segment_vips": 1}
    assert (found.users, found.segments) == ({"users": 1}, ["vips"]), "they will be back"
    world.set_people(PEOPLE, PEOPLE)
    world.sync()
    assert "cid@example.com" in world.ledger()


def test_even_if_listed_the_vendor_keeps_them_and_the_answer_says_so(world: World) -> None:
    found = ask(world, "ann@example.com", even_if_listed=True)
    assert found.erased
    assert [each.activation for each in found.listed] == ["vips"]
    assert remembers(world.runtime, *TRACES) == set()
    stay = {key: PEOPLE[key] for key in (BOB, CID)}
    world.set_people(stay, stay)
    assert world.sync().counts.members_before == 1
    assert "ann@example.com" in world.vendor.held(), "nobody we added, as far as we know"


def test_who_was_only_ever_planned_is_found_in_the_plan(world: World) -> None:
    dee = {7_000_004: ("dee@example.com", "paris", 4)}
    world.set_people(PEOPLE | dee, PEOPLE | dee)
    plan_sync(world.runtime, "vips", as_of=now())
    world.set_people(PEOPLE, PEOPLE)
    assert ask(world, "dee@example.com").rows == {"change_vips": 1}
    assert remembers(world.runtime, "dee@example.com", "7000004") == set()


def test_who_was_on_the_way_when_a_sync_died_may_be_in_the_list(world: World) -> None:
    dee = {7_000_004: ("dee@example.com", "paris", 4)}
    world.set_people(PEOPLE | dee, PEOPLE | dee)
    plan = plan_sync(world.runtime, "vips", as_of=now())
    sync = world.runtime.state.sync
    with world.runtime.engine.begin() as connection:
        connection.execute(sync.update().where(sync.c.id == plan.sync).values(state="delivering"))
    with pytest.raises(StillListed) as refused:
        ask(world, "dee@example.com")
    assert [each.status for each in refused.value.found.listed] == ["in_doubt"]


def test_a_refused_person_goes_with_the_refusal(world: World) -> None:
    world.vendor.refuse("bad@example.com")
    bad = {7_000_004: ("bad@example.com", "paris", 4)}
    world.set_people(PEOPLE | bad, PEOPLE | bad)
    world.sync()
    assert ask(world, "bad@example.com").rows == {"rejection": 1, "list_vips": 1, "segment_vips": 1}
    assert remembers(world.runtime, "bad@example.com", "7000004") == set()


def test_a_former_address_is_found_by_the_user_who_had_it(world: World) -> None:
    moved = PEOPLE | {ANN: ("ann@new.example.com", "paris", 1)}
    world.set_people(moved, moved)
    world.sync()
    found = ask(world, "ann@new.example.com", even_if_listed=True)
    assert found.rows["consent_log"] == 3
    assert remembers(world.runtime, "ann@", str(ANN)) == set()


def test_an_address_is_erased_for_all_who_share_it(world: World) -> None:
    eve = {7_000_005: ("ANN@example.com", "paris", 5)}
    world.set_people(PEOPLE | eve, PEOPLE | eve)
    world.sync()
    found = ask(world, "ann@example.com", even_if_listed=True)
    assert (found.users, found.rows["segment_vips"]) == ({"users": 2}, 2)
    assert remembers(world.runtime, *TRACES, "7000005") == set()


def test_a_list_that_the_project_has_no_more_is_searched_too(world: World) -> None:
    project = world.runtime.project
    world.runtime.project = replace(project, effective={}, segments={})
    with pytest.raises(StillListed, match="vips"):
        ask(world, str(ANN), "user")
    ask(world, "ann@example.com", even_if_listed=True)
    assert remembers(world.runtime, *TRACES) == set()


def test_equal_keys_of_another_users_model_are_somebody_else(world: World) -> None:
    project, state = world.runtime.project, world.runtime.state
    leads = project.models["users"].model_copy(update={"table": "leads"})
    settings = project.settings.model_copy(update={"models": {**project.models, "leads": leads}})
    segments = {**project.segments, "leads": Segment(segment="leads", model="leads")}
    world.runtime.project = replace(project, settings=settings, segments=segments)
    members = state.segment("leads", "integer")
    with world.runtime.engine.begin() as connection:
        world.users.to_metadata(sa.MetaData(), name="leads").create(connection)
        members.create(connection)
        connection.execute(members.insert().values(user_key=ANN, entered_at=now()))
        closed = {"segment": "leads", "user_key": str(ANN), "entered_at": now(), "left_at": now()}
        connection.execute(state.segment_history.insert().values(**closed))
    with pytest.raises(AudienceError, match="--model"):
        read_subject(world.runtime.project, "user", str(ANN))
    subject = read_subject(world.runtime.project, "user", str(ANN), "users")
    found = forget(world.runtime, subject, erase=True, even_if_listed=True)
    assert found.rows == {"consent_log": 1, "list_vips": 1, "segment_vips": 1}
    left = {state.table_name("segment_leads"), state.table_name("segment_history")}
    assert remembers(world.runtime, *TRACES) == left


def test_an_uploaded_list_is_named_because_its_file_is_not_ours(world: World) -> None:
    uploaded = world.runtime.state.uploaded_list("guests", "integer")
    with world.runtime.engine.begin() as connection:
        uploaded.create(connection)
        connection.execute(uploaded.insert(), [{"user_key": ANN}, {"user_key": BOB}])
    found = ask(world, "ann@example.com", even_if_listed=True)
    assert (found.rows["uploaded_guests"], found.uploaded) == (1, ["guests"])
    assert remembers(world.runtime, *TRACES) == set()


def test_nothing_is_erased_while_a_list_is_delivered(world: World) -> None:
    leave(world, ANN)
    before = memory(world.runtime)
    with (
        hold_lease(world.runtime.engine, world.runtime.state.destination_list, "vips"),
        pytest.raises(SyncBusy, match="is running"),
    ):
        ask(world, "ann@example.com")
    assert memory(world.runtime) == before
    assert ask(world, "ann@example.com").erased


def test_a_proof_can_be_checked_but_not_read(world: World) -> None:
    leave(world, ANN)
    ask(world, "Ann@Example.com")
    [row] = memory(world.runtime)[world.runtime.state.table_name("forgotten")]
    guesses = (hashlib.sha256(text.encode()).hexdigest() for text in ("ann@example.com", "email:ann@example.com"))
    assert not set(guesses) & set(map(str, row))
    with world.runtime.engine.begin() as connection:
        for given, kind, number in (
            ("ANN@example.com", "email", 1),
            ("bob@example.com", "email", 0),
            (str(ANN), "user", 0),
        ):
            subject = read_subject(world.runtime.project, kind, given)
            proofs = proofs_of(connection, world.runtime.state, subject)
            assert [each.rows for each in proofs] == [{"segment_history": 1, "consent_log": 2}] * number


def test_a_stranger_leaves_no_proof(world: World) -> None:
    found = ask(world, "nobody@example.com")
    assert (found.rows, found.erased) == ({}, False)
    assert memory(world.runtime)[world.runtime.state.table_name("forgotten")] == []


def test_without_a_proof_nothing_is_erased(tmp_path: Path, make_warehouse: Callable[[str], sa.Engine]) -> None:
    world = make_world(tmp_path, make_warehouse("sqlite"), consent=True)
    world.set_people(PEOPLE, PEOPLE)
    world.sync()
    leave(world, ANN)
    table = world.runtime.state.forgotten.name
    with world.runtime.engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    before = memory(world.runtime)
    with pytest.raises(sa.exc.DBAPIError, match="disk is full"):
        ask(world, "ann@example.com")
    assert memory(world.runtime) == before


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [("email", "  ", "empty"), ("phone", "0612345678", "country code"), ("user", "ann", "not of type integer")],
)
def test_a_request_that_can_not_be_read_is_said_without_repeating_it(
    world: World, kind: str, given: str, told: str
) -> None:
    with pytest.raises(AudienceError, match=told) as wrong:
        read_subject(world.runtime.project, kind, given)
    assert given not in str(wrong.value)

"""One list kept equal to its audience, on every embedded warehouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.destinations.base import ListMissing
from audience_assets.project.activations import Guard
from audience_assets.sync import GuardTripped, SyncBusy, latest_syncs, open_rejections, plan_sync, rejected_rows
from audience_assets.sync.lease import hold_lease
from audience_assets_tests.sync.vendor import now
from audience_assets_tests.sync.world import World, make_world

MakeWorld = Callable[..., World]


@pytest.fixture
def build(tmp_path: Path, warehouse: sa.Engine) -> MakeWorld:
    def make(**options: object) -> World:
        return make_world(tmp_path, warehouse, **options)  # type: ignore[arg-type]

    return make


def people(*keys: int, city: str = "paris") -> dict[int, tuple[str | None, str | None, int | None]]:
    return {key: (f" P{key}@Example.com", city, key) for key in keys}


def held(world: World) -> set[str]:
    return set(world.vendor.held())


def emails(*keys: int) -> set[str]:
    return {f"p{key}@example.com" for key in keys}


def test_entrants_are_added_leavers_removed_and_changes_updated(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(*range(1, 36)), range(1, 31))
    first = world.sync()
    assert (first.state, first.added, first.members_after) == ("delivered", 30, 30)
    assert held(world) == emails(*range(1, 31))

    world.set_people(people(*range(1, 36)) | people(7, city="nice"), range(3, 36))
    second = world.sync()
    assert (second.added, second.updated, second.removed) == (5, 1, 2)
    assert held(world) == emails(*range(3, 36))
    assert world.vendor.held()["p7@example.com"]["city"] == "nice"


def test_a_sync_without_changes_calls_nobody(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2, 3), (1, 2, 3))
    world.sync()
    calls = world.vendor.calls()
    report = world.sync()
    assert report.state == "unchanged"
    assert world.vendor.calls() == calls


def test_batches_are_no_smaller_than_they_must_be(build: MakeWorld) -> None:
    world = build(batch=10)
    world.set_people(people(*range(1, 41)), range(1, 41))
    world.sync()
    before = len(world.vendor.calls())
    mixed = people(*range(1, 61)) | people(*range(5, 30, 2), city="nice")
    world.set_people(mixed, [key for key in range(1, 61) if key % 3])
    world.sync()
    calls = world.vendor.calls()[before:]
    for operation in ("remove", "update", "add"):
        sizes = [size for name, size in calls if name == operation]
        assert sizes, operation
        assert sum(size < 10 for size in sizes) <= 1, (operation, sizes)


def test_two_users_with_one_address_are_one_member(build: MakeWorld) -> None:
    world = build()
    shared = {1: ("a@x.com", "rome", 1), 2: ("A@x.com ", "oslo", 2), 3: ("b@x.com", "bern", 3)}
    world.set_people(shared, (1, 2, 3))
    report = world.sync()
    assert (report.added, report.counts.duplicates) == (2, 1)
    assert world.vendor.held()["a@x.com"]["city"] == "rome", "the smallest key stands for all"

    world.set_people(shared, (2, 3))
    report = world.sync()
    assert report.removed == 0, "the other one still wants the address"
    assert world.vendor.held()["a@x.com"]["city"] == "oslo"

    world.set_people(shared, (1, 2, 3))
    world.sync()
    assert world.vendor.held()["a@x.com"]["city"] == "rome"
    world.set_people(shared, (3,))
    assert world.sync().removed == 1
    assert held(world) == {"b@x.com"}


def test_a_new_address_is_one_removal_and_one_addition(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    world.set_people(people(1) | {2: ("new@x.com", "paris", 2)}, (1, 2))
    report = world.sync()
    assert (report.added, report.removed) == (1, 1)
    assert held(world) == emails(1) | {"new@x.com"}


def test_swapped_addresses_touch_nobody_but_attributes(build: MakeWorld) -> None:
    world = build()
    world.set_people({1: ("a@x.com", "rome", 1), 2: ("b@x.com", "oslo", 2)}, (1, 2))
    world.sync()
    world.set_people({1: ("b@x.com", "rome", 1), 2: ("a@x.com", "oslo", 2)}, (1, 2))
    report = world.sync()
    assert (report.added, report.removed, report.updated) == (0, 0, 2)
    assert world.vendor.held()["a@x.com"]["city"] == "oslo"


def test_another_spelling_of_the_same_address_is_no_call(build: MakeWorld) -> None:
    world = build()
    world.set_people({1: ("a@x.com", "rome", 1)}, (1,))
    world.sync()
    before = len(world.vendor.calls())
    world.set_people({1: ("  A@X.com", "rome", 1)}, (1,))
    assert world.sync().state == "unchanged"
    assert len(world.vendor.calls()) == before


def test_users_without_identifier_are_counted_and_not_sent(build: MakeWorld) -> None:
    world = build()
    world.set_people({1: (None, "rome", 1), 2: ("  ", "rome", 2), 3: ("c@x.com", "rome", 3)}, (1, 2, 3))
    report = world.sync()
    assert (report.added, report.counts.unidentified) == (1, 2)


def test_absent_contacts_are_tried_again_until_the_vendor_knows_them(build: MakeWorld) -> None:
    world = build()
    world.vendor.forget("p2@example.com")
    world.set_people(people(1, 2), (1, 2))
    assert (world.sync().absent, held(world)) == (1, emails(1))
    again = world.sync()
    assert (again.absent, again.counts.retry) == (1, 1)
    world.vendor.learn("p2@example.com")
    assert world.sync().added == 1
    assert held(world) == emails(1, 2)
    assert world.sync().state == "unchanged"


def test_an_absent_contact_that_leaves_is_forgotten_without_a_call(build: MakeWorld) -> None:
    world = build()
    world.vendor.forget("p2@example.com")
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    before = len(world.vendor.calls())
    world.set_people(people(1, 2), (1,))
    assert world.sync().state == "unchanged"
    assert len(world.vendor.calls()) == before
    assert world.ledger() == {"p1@example.com": "member"}


def test_a_rejected_row_waits_for_a_change_and_keeps_its_history(build: MakeWorld) -> None:
    world = build()
    world.vendor.refuse("p2@example.com")
    world.set_people(people(1, 2), (1, 2))
    report = world.sync()
    assert (report.added, report.rejected) == (1, 1)
    assert [row.reason for row in report.rejections] == ["refused"]
    assert world.sync().state == "unchanged", "nothing has changed, so it would be refused again"

    world.set_people(people(1, 2, city="nice"), (1, 2))
    world.sync()
    [row] = rejected_rows(world.runtime, "vips", 10)
    assert (row["identifier"], row["attempts"]) == ("p2@example.com", 2)
    assert row["first_seen"] < row["last_seen"]

    world.set_people(people(1, 2, city="nice"), (1,))
    world.sync()
    assert open_rejections(world.runtime, "vips") == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_call_without_an_answer_is_decided_anew(build: MakeWorld, moment: str) -> None:
    world = build()
    world.vendor.fail({2: moment})
    world.set_people(people(*range(1, 31)), range(1, 31))
    report = world.sync()
    assert (report.state, report.retry) == ("partial", 10)
    world.set_people(people(*range(1, 31)), range(1, 26))
    world.sync()
    assert held(world) == emails(*range(1, 26)), "those in doubt who left in between are removed"
    assert world.sync().state == "unchanged"


def test_an_unanswered_removal_and_update_are_repeated(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2, 3), (1, 2, 3))
    world.sync()
    calls = len(world.vendor.calls())
    world.vendor.fail({calls + 1: "before", calls + 2: "before"})
    changed = people(1, 2, 3, city="nice")
    world.set_people(changed, (2, 3))
    assert world.sync().state == "partial"
    world.sync()
    assert held(world) == emails(2, 3)
    assert world.vendor.held()["p2@example.com"]["city"] == "nice"
    assert world.sync().state == "unchanged"


def test_who_is_another_contact_by_now_leaves_and_enters_again(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2, 3, 4, 5), (1, 2, 3, 4))
    world.sync()
    world.vendor.take_for_another(*emails(1, 2))
    world.set_people(people(1, 2, city="nice") | people(3, 4, 5), (1, 2, 3, 4))
    found = world.sync()
    assert (found.state, found.updated, found.retry) == ("partial", 0, 2)
    assert held(world) == emails(1, 2, 3, 4)

    world.vendor.fail({len(world.vendor.calls()) + 1: "before"})
    assert world.sync().retry == 2, "the removal is as open as it was"
    world.set_people(people(1, city="nice") | people(2, 3, 4, 5), (1, 3, 4))
    left = world.sync()
    assert (left.state, left.added) == ("partial", 0)
    assert held(world) == emails(3, 4)

    entered = world.sync()
    assert (entered.state, entered.added, entered.removed, entered.members_after) == ("delivered", 1, 0, 3)
    assert world.vendor.held()["p1@example.com"]["city"] == "nice"
    assert set(world.ledger()) == emails(1, 3, 4)
    assert world.sync().state == "unchanged"


def test_guards_stop_before_the_first_call_and_an_approved_plan_goes_through(build: MakeWorld) -> None:
    world = build(guard=Guard(min_size=1, max_removed_percent=30))
    world.set_people(people(*range(1, 11)), range(1, 11))
    world.sync()
    before = world.vendor.calls()
    world.set_people(people(*range(1, 11)), range(5, 11))
    with pytest.raises(GuardTripped, match="4 of 10 members would be removed") as tripped:
        world.sync()
    assert world.vendor.calls() == before
    assert latest_syncs(world.runtime)["vips"]["state"] == "blocked"
    fingerprint = tripped.value.plan.fingerprint

    world.set_people(people(*range(1, 11)), range(6, 11))
    with pytest.raises(GuardTripped):
        world.sync(approve=fingerprint)
    world.set_people(people(*range(1, 11)), range(5, 11))
    assert world.sync(approve=fingerprint).removed == 4


def test_who_is_perhaps_in_the_list_is_no_member_too_many(build: MakeWorld) -> None:
    world = build(guard=Guard(min_size=0, max_removed_percent=100))
    world.set_people(people(1, 2, 3), (1, 3))
    world.vendor.fail({1: "after"})
    world.sync()
    world.vendor.refuse("p3@example.com")
    world.sync()
    assert world.ledger() == {"p1@example.com": "member", "p3@example.com": "unsure"}
    world.set_people(people(1, 2, 3), (2,))
    assert world.sync().removed == 2, "all of one member and one that perhaps is one"
    assert held(world) == emails(2)


def test_an_empty_audience_empties_no_list(build: MakeWorld) -> None:
    world = build(guard=Guard(min_size=1, max_removed_percent=100))
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    world.set_people(people(1, 2), ())
    with pytest.raises(GuardTripped, match="fewer than min_size"):
        world.sync()
    assert held(world) == emails(1, 2)


def test_a_lost_ledger_is_not_a_list_of_entrants(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    with world.runtime.engine.begin() as connection:
        name, schema = world.runtime.state.table_name("list_vips"), world.runtime.state.metadata.schema
        connection.execute(sa.table(name, schema=schema).delete())
    with pytest.raises(GuardTripped, match="ledger holds no members although"):
        world.sync()


def test_too_much_change_and_a_stale_segment_are_stopped(build: MakeWorld) -> None:
    world = build(guard=Guard(min_size=0, max_removed_percent=100, max_change_percent=50, max_source_age="1h"))
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    world.set_people(people(*range(1, 5)), range(1, 5))
    with world.runtime.engine.begin() as connection:
        run = world.runtime.state.segment_run
        values = {
            "id": "0",
            "segment": "vips",
            "definition_hash": "",
            "size": 2,
            "entered": 2,
            "left": 0,
            "version": "0",
        }
        past = now().replace(year=2020)
        connection.execute(run.insert().values(as_of=past, duration_seconds=0.0, **values))
    with pytest.raises(GuardTripped) as tripped:
        world.sync()
    assert len(tripped.value.plan.violations) == 2


def test_who_is_unknown_to_the_vendor_counts_as_no_change_when_tried_again(build: MakeWorld) -> None:
    world = build(guard=Guard(min_size=0, max_change_percent=50))
    world.vendor.forget(*emails(3, 4, 5))
    world.set_people(people(*range(1, 6)), range(1, 6))
    assert (world.sync().absent, world.sync().counts.retry) == (3, 3)


def test_plan_writes_nothing_at_the_vendor(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2, 3), (1, 2, 3))
    plan = plan_sync(world.runtime, "vips", as_of=now(), sample=2)
    assert (plan.counts.add, plan.list_exists) == (3, False)
    assert [row["operation"] for row in plan.sample] == ["add", "add"]
    assert world.vendor.calls() == []
    assert world.vendor.find_list("VIPs") is None
    assert world.sync().added == 3


def test_a_second_sync_of_the_same_list_is_refused(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1), (1,))
    world.sync()
    with (
        hold_lease(world.runtime.engine, world.runtime.state.destination_list, "vips"),
        pytest.raises(SyncBusy, match="is running"),
    ):
        world.sync()
    assert world.sync().state == "unchanged"


def test_a_list_deleted_at_the_vendor_is_said_and_can_be_recreated(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    world.vendor.delete_list()
    world.set_people(people(1, 2, 3), (1, 2, 3))
    with pytest.raises(ListMissing):
        world.sync()
    world.sync(recreate=True)
    assert held(world) == emails(1, 2, 3)


def test_a_plan_that_can_not_be_made_ends_the_sync(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    with world.runtime.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {world.users.name} RENAME TO loading"))
    with pytest.raises(sa.exc.DBAPIError):
        world.sync()
    last = latest_syncs(world.runtime)["vips"]
    assert (last["state"], last["ended_at"] is None, bool(last["error"])) == ("failed", False, True)
    with world.runtime.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE loading RENAME TO {world.users.name}"))
    assert (world.sync().state, held(world)) == ("unchanged", emails(1, 2))


def test_a_new_mapped_field_updates_everybody_once(build: MakeWorld) -> None:
    world = build()
    world.set_people(people(1, 2), (1, 2))
    world.sync()
    activation = world.runtime.project.effective["vips"]
    mapping = activation.mapping.model_copy(update={"fields": {**activation.mapping.fields, "seen": "consent_at"}})
    world.runtime.project.effective["vips"] = activation.model_copy(update={"mapping": mapping})
    with world.runtime.engine.begin() as connection:
        connection.execute(world.users.update().values(consent_at=sa.func.current_timestamp()))
    assert world.sync().updated == 2
    assert world.sync().state == "unchanged"

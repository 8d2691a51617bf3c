"""What happens to people when a campaign's shares, groups, keys or neighbours change."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.forgetting import forget, read_subject
from audience_assets.project.campaigns import Campaign, Holdout
from audience_assets.runtime import Runtime
from audience_assets.warehouse.functions import bucket_of
from audience_assets_tests.campaigns.people import NOON, PARIS, PEOPLE, Town, adults_of, campaign, groups, project_of
from audience_assets_tests.forgetting.memory import remembers

LATER = NOON + timedelta(days=1)
PEOPLE_COUNT = 400


@pytest.fixture
def town(warehouse: Engine) -> Town:
    return Town.on(warehouse, adults_of(["paris", "lyon"], PEOPLE_COUNT))


def split_into(*percentages: str, **split: Any) -> Campaign:
    return campaign(remaining={"groups": groups(*percentages)}, split=split)


@pytest.mark.parametrize("method", ["hash", "exact"])
@pytest.mark.parametrize("sticky", ["keep", "rebalance"])
def test_other_percentages_move_nobody_or_as_few_as_possible(town: Town, method: str, sticky: str) -> None:
    town.refresh(split_into("10", "45", "45", method=method, sticky=sticky))
    before = town.groups_of()
    town.refresh(split_into("20", "40", "40", method=method, sticky=sticky), LATER)
    after = town.groups_of()
    moved = [key for key in before if before[key] != after[key]]
    if sticky == "keep":
        assert not moved
        return
    assert {after[key] for key in moved} == {"control"}
    by_bucket = {key: bucket_of("spring", key) for key in before}
    least = (
        PEOPLE_COUNT // 10
        if method == "exact"
        else sum(5000 <= each < 5500 or each >= 9500 for each in by_bucket.values())
    )
    assert len(moved) == least
    first = {row["user_key"]: row for row in town.ledger() if row["split_version"] == 1}
    assert {key: row["group_name"] for key, row in first.items()} == before, "the first assignment stays readable"
    assert {row["user_key"] for row in town.ledger() if row["split_version"] == 2} == set(moved)
    assert all(first[key]["last_seen_at"] == NOON for key in moved)


def test_newcomers_follow_new_percentages(town: Town) -> None:
    town.set_people(adults_of(["paris"], 100))
    town.refresh(split_into("10", method="exact"))
    town.set_people(adults_of(["paris"], 300))
    town.refresh(split_into("50", method="exact"), LATER)
    assert Counter(town.groups_of().values()) == {"control": 110, "A": 190}


def test_reshuffle_draws_everybody_anew_once_a_round(town: Town) -> None:
    town.refresh(split_into("50", method="hash"))
    first = town.groups_of()
    for _ in range(2):
        town.refresh(split_into("50", method="hash", sticky="reshuffle", round=2), LATER)
        assert town.groups_of() == {
            key: "control" if bucket_of("spring-2", key) < 5000 else "A" for key in range(1, PEOPLE_COUNT + 1)
        }
    assert town.groups_of() != first
    assert len(town.ledger()) == 2 * PEOPLE_COUNT


def test_a_group_that_is_no_more_leaves_nobody_behind(town: Town) -> None:
    town.refresh(split_into("10", "45", "45", method="hash"))
    before = town.groups_of()
    run = town.refresh(split_into("10", method="hash"), LATER)
    assert town.audience("spring.remaining.b") == set()
    assert run.counts == {"Remaining": Counter(town.groups_of().values())}
    after = town.groups_of()
    assert all(before[key] == after[key] for key in before if before[key] != "B")
    history = [row for row in town.rows(town.state.segment_history) if row["segment"] == "spring.remaining.b"]
    assert len(history) == Counter(before.values())["B"]


@pytest.mark.parametrize("sticky", ["keep", "rebalance"])
@pytest.mark.parametrize("renamed", ["the control", "the sub-audience"])
def test_whoever_is_control_stays_so_under_another_name(town: Town, renamed: str, sticky: str) -> None:
    def declared(part: str, control: str) -> Campaign:
        its = [{"name": "A", "percent": "90"}, {"name": control, "percent": "10", "control": "true"}]
        return campaign(sub_audiences=[{"name": part, "groups": its}], split={"method": "exact", "sticky": sticky})

    town.refresh(declared("All", "control"))
    before = town.groups_of()
    town.set_people(adults_of(["paris", "lyon"], 3 * PEOPLE_COUNT))
    now = declared("All", "held back") if renamed == "the control" else declared("Everybody", "control")
    for day in range(1, 3):
        town.refresh(now, NOON + timedelta(days=day))
        after = {row["user_key"]: row["is_control"] for row in town.recipients()}
        assert all(after[key] == (group == "control") for key, group in before.items())
        assert sum(after.values()) == PEOPLE_COUNT * 3 // 10


@pytest.mark.parametrize("control", ["control", "held back"])
def test_a_renamed_sub_audience_goes_on_with_its_rebalanced_buckets(town: Town, control: str) -> None:
    def declared(part: str, percent: int, group: str = "control") -> Campaign:
        its = [
            {"name": "A", "percent": str(100 - percent)},
            {"name": group, "percent": str(percent), "control": "true"},
        ]
        other = {"name": "Paris", "where": PARIS, "groups": groups("10")}
        split = {"method": "hash", "sticky": "rebalance"}
        return campaign(sub_audiences=[other, {"name": part, "groups": its}], split=split)

    town.refresh(declared("Others", 10))
    town.refresh(declared("Others", 20), LATER)
    before = {row["user_key"]: row["is_control"] for row in town.recipients()}
    renamed = declared("The rest", 20, control)
    for day in range(2, 4):
        town.refresh(renamed, NOON + timedelta(days=day))
        assert {row["user_key"]: row["is_control"] for row in town.recipients()} == before


def test_exact_sizes_hold_in_every_stratum(town: Town) -> None:
    town.refresh(split_into("10", "45", "45", stratify_by=["city"]))
    cities = {row["id"]: row["city"] for row in town.rows(PEOPLE)}
    found = Counter((cities[key], group) for key, group in town.groups_of().items())
    assert {number for (_, group), number in found.items() if group == "control"} == {20}
    assert set(found.values()) == {20, 90}


def test_a_control_has_its_share_also_where_every_stratum_is_one_person(town: Town) -> None:
    town.set_people({key: ("paris", key) for key in range(PEOPLE_COUNT)})
    run = town.refresh(campaign(split={"method": "exact", "stratify_by": ["age"]}))
    assert run.counts == {"Remaining": {"control": PEOPLE_COUNT // 10, "A": PEOPLE_COUNT * 9 // 10}}


def test_a_holdout_lasts_as_long_as_it_says(town: Town) -> None:
    declared = campaign(holdout="universal", split={"method": "hash"})
    holdout = Holdout.model_validate({"percent": "20", "from": date(2026, 3, 16), "until": date(2026, 3, 17)})
    sizes = []
    for day in range(3):
        run = town.refresh(project_of(declared, holdouts={"universal": holdout}), NOON + timedelta(days=day))
        sizes.append((run.held_out, run.size))
        if day == 1:
            held = {key for key in range(1, PEOPLE_COUNT + 1) if bucket_of("holdout-universal", key) < 2000}
            assert not held & (town.audience("spring.remaining.a") | set(town.groups_of()))
    assert sizes == [(0, PEOPLE_COUNT), (len(held), PEOPLE_COUNT - len(held)), (0, PEOPLE_COUNT)]


def test_a_person_is_in_the_first_campaign_of_a_priority_list_only(town: Town) -> None:
    first = campaign("first", include=["parisians"], priority_list="loud")
    second = campaign("second", priority_list="loud")
    project = project_of(first, second, priority_lists={"loud": ["first", "second"]})
    assert town.refresh(project, NOON, "second").outranked == 0, "the first was never computed"
    town.refresh(project, NOON, "first")
    run = town.refresh(project, LATER, "second")
    theirs = set(town.groups_of("first"))
    assert (run.outranked, run.size) == (len(theirs), PEOPLE_COUNT - len(theirs))
    assert not theirs & set(town.groups_of("second")), "nobody of the first's control either"
    assert town.refresh(project, NOON, "first").outranked == 0
    over = town.refresh(project, NOON + timedelta(days=7), "second")
    assert over.outranked == 0, "the results of the first have been counted"


def test_control_is_control_in_every_sub_audience(town: Town) -> None:
    parts = [
        {"name": "All", "groups": groups("50")},
        {"name": "Paris", "where": PARIS, "groups": groups("10")},
    ]
    run = town.refresh(campaign(sub_audiences=parts, assignment="all_matches", split={"method": "hash"}))
    control = {row["user_key"] for row in town.recipients() if row["is_control"]}
    assert run.withheld > 0
    assert not control & (town.audience("spring.all.a") | town.audience("spring.paris.a"))
    assert len(town.ledger()) == len(town.recipients()) + run.withheld


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_at_a_time_split_once(make_warehouse: Any, kind: str) -> None:
    town = Town.on(make_warehouse(kind), adults_of(["paris"], 50))
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(town.refresh, campaign(split={"method": "exact"})) for _ in range(3)]
        assert sorted(run.result().entered for run in runs) == [0, 0, 50]
    assert len(town.ledger()) == len(town.recipients()) == 50
    assert Counter(town.groups_of().values()) == {"control": 5, "A": 45}


def test_a_crash_leaves_what_was_there(town: Town) -> None:
    def everything() -> list[Any]:
        state = town.state
        return [town.ledger(), town.recipients(), *(town.rows(t) for t in (state.campaign_split, state.campaign_run))]

    town.refresh(split_into("10", method="hash"))
    before = (everything(), town.audience("spring.remaining.a"))
    town.set_people(adults_of(["paris"], 500))
    for statement in ("INSERT INTO audience_assets.campaign_run", "INSERT INTO audience_assets_campaign_run"):
        statement_start = statement

        def dies(_c: Any, _cursor: Any, text: str, *_: Any, start: str = statement_start) -> None:
            if text.startswith(start):
                raise KeyboardInterrupt

        sa.event.listen(town.engine, "before_cursor_execute", dies)
    with pytest.raises(KeyboardInterrupt):
        town.refresh(split_into("50", method="hash", sticky="rebalance"), LATER)
    assert (everything(), town.audience("spring.remaining.a")) == before


@pytest.mark.parametrize(("before", "after"), [("integer", "text"), ("text", "integer")])
def test_a_key_of_another_type_gives_nobody_another_group(warehouse: Engine, before: str, after: str) -> None:
    town = Town.on(warehouse, {})
    kinds: dict[str, Any] = {"integer": sa.BigInteger, "text": sa.String}
    first: dict[str, str] = {}
    for kind, count, as_of in ((before, 30, NOON), (after, 40, LATER)):
        PEOPLE.drop(town.engine)
        table = sa.Table(
            "people",
            sa.MetaData(),
            sa.Column("id", kinds[kind]),
            sa.Column("city", sa.String),
            sa.Column("age", sa.BigInteger),
        )
        table.create(town.engine)
        keys = [key if kind == "integer" else str(key) for key in range(1, count + 1)]
        with town.engine.begin() as connection:
            connection.execute(table.insert(), [{"id": key, "city": "paris", "age": 30} for key in keys])
        town.refresh(project_of(campaign(split={"method": "exact"}), key_type=kind), as_of)
        rows = town.rows(town.state.recipient("spring", kind))
        found = {str(row["user_key"]): row["group_name"] for row in rows}
        assert {key: found[key] for key in first} == first
        assert len(found) == len(town.rows(town.state.assignment("spring", kind))) == count
        first = found
    assert {row["since"] for row in rows} == {NOON, LATER}


def test_who_is_forgotten_is_forgotten_by_campaigns_too(warehouse: Engine) -> None:
    ann, bob = 7_000_001, 7_000_002
    town = Town.on(warehouse, {ann: ("paris", 30), bob: ("paris", 30)})
    declared = campaign(remaining={"groups": groups("0")})
    town.refresh(declared)
    town.set_people({bob: ("paris", 30)})
    town.refresh(declared, LATER)
    town.set_people({ann: ("paris", 30), bob: ("paris", 30)})
    town.refresh(declared, LATER)
    project = project_of(declared)
    runtime = Runtime(project, town.engine, town.state, project.root)
    found = forget(runtime, read_subject(project, "user", str(ann)), erase=True)
    places = {"assignment_spring", "recipient_spring", "group_spring__remaining__a", "segment_history"}
    assert found.rows == dict.fromkeys(places, 1)
    assert remembers(runtime, str(ann)) == set()
    still = {town.state.table_name(name) for name in places - {"segment_history"}}
    assert remembers(runtime, str(bob)) == still


def test_a_campaign_may_leave_out_whom_it_reached_lately(town: Town) -> None:
    rested = {"rested": {"where": {"not": {"received": {"campaign": "spring", "within": "2d"}}}}}
    project = project_of(campaign(include=["rested"], split={"method": "hash"}), segments=rested)
    control = {key for key in range(1, PEOPLE_COUNT + 1) if bucket_of("spring", key) < 1000}
    everybody = set(range(1, PEOPLE_COUNT + 1))
    sent = []
    for day in (0, 0, 1, 2, 3, 4):
        town.refresh(project, NOON + timedelta(days=day))
        sent.append(set(town.groups_of()))
    assert sent[0] == sent[1] == everybody, "computing it again changes nothing"
    assert sent[2] == sent[3] == control, "control received nothing"
    assert sent[4] == everybody
    assert sent[5] == control

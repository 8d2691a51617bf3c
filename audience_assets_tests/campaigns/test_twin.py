"""Campaigns over days of change: every warehouse does what plain Python does, and nobody is sent by mistake."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from audience_assets.project.audiences import audience_name
from audience_assets.project.campaigns import Campaign, Holdout
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.campaigns.people import ADULT, NOON, PARIS, Person, Town, groups, project_of
from audience_assets_tests.campaigns.twin import Twin
from audience_assets_tests.conftest import file_url, fresh_postgres

SPLITS = [
    groups("10"),
    groups("20"),
    groups("50"),
    groups("10", "45", "45"),
    groups("20", "40", "40"),
    groups("0"),
    groups("0", "33.33", "33.33", "33.34"),
    [{"name": "B", "percent": "90"}, {"name": "control", "percent": "10", "control": "true"}],
    [{"name": "A", "percent": "50", "control": "true"}, {"name": "B", "percent": "50"}],
]
PARTS: list[dict[str, Any]] = [
    {"name": "In Paris", "where": PARIS},
    {"name": "Adult", "where": ADULT},
    {"name": "Old", "segments": ["oldest"]},
    {"name": "Adult in Paris", "segments": ["adults"], "where": PARIS},
]


def _population(seed: int, percent: int) -> dict[int, Person]:
    chance = random.Random(seed)
    return {
        key: (chance.choice(["paris", "lyon", None]), chance.choice([None, 3, 18, 40, 77]))
        for key in range(1, 81)
        if chance.randrange(100) < percent
    }


# Drawn person by person they would be a handful, too few to tell one split from another.
populations = st.builds(_population, st.integers(0, 2**20), st.integers(10, 100))
splits = st.fixed_dictionaries(
    {"method": st.sampled_from(["hash", "exact", "auto"])},
    optional={
        "sticky": st.sampled_from(["keep", "rebalance", "rebalance", "reshuffle"]),
        "round": st.integers(1, 2),
        "stratify_by": st.sampled_from([["city"], ["city", "age"]]),
    },
)


@st.composite
def campaigns(draw: st.DrawFn) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(range(len(PARTS))), unique=True, max_size=3))
    found: dict[str, Any] = {
        "include": draw(st.sampled_from([["everyone"], ["adults", "parisians"], ["oldest"]])),
        "exclude": draw(st.sampled_from([[], [], ["parisians"], ["oldest"]])),
        "holdout": draw(st.sampled_from([None, "universal"])),
        "assignment": draw(st.sampled_from(["first_match", "first_match", "all_matches"])),
        "split": draw(splits),
        "sub_audiences": [PARTS[number] | {"groups": draw(st.sampled_from(SPLITS))} for number in chosen],
    }
    if not chosen or draw(st.booleans()):
        found["remaining"] = {"groups": draw(st.sampled_from(SPLITS))}
    return found


@st.composite
def histories(draw: st.DrawFn, most: int = 3) -> list[tuple[dict[int, Person], dict[str, Any]]]:
    """Days of one campaign: most keep its sub-audiences, and change people, shares or the way of splitting."""
    days = []
    declared = draw(campaigns())
    for _ in range(draw(st.integers(2, most))):
        days.append((draw(populations), declared))
        if draw(st.sampled_from([True, False, False])):
            declared = draw(campaigns())
        parts = [part | {"groups": draw(st.sampled_from(SPLITS))} for part in declared["sub_audiences"]]
        declared = declared | {"sub_audiences": parts, "split": draw(st.just(declared["split"]) | splits)}
    return days


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[list[Town]]:
    folder = tmp_path_factory.mktemp("towns")
    with contextlib.ExitStack() as stack:
        urls = [file_url(kind, folder / f"{kind}.db") for kind in ("sqlite", "duckdb")]
        urls.append(stack.enter_context(fresh_postgres(postgres_url)))
        engines = [open_warehouse(url) for url in urls]
        for engine in engines:
            stack.callback(engine.dispose)
        yield [Town.on(engine) for engine in engines]


# Every example has a campaign of its own in the same warehouses.
numbers = itertools.count(1)


def test_every_warehouse_does_what_the_twin_does(towns: list[Town]) -> None:
    @given(days=histories())
    # Shrinking would compute hundreds of campaigns.
    @settings(max_examples=settings().max_examples // 8, phases=[Phase.generate])
    def agrees(days: list[tuple[dict[int, Person], dict[str, Any]]]) -> None:
        name = f"c{next(numbers)}"
        twin = Twin(holdout=2000)
        for number, (people, declared) in enumerate(days):
            as_of = NOON + timedelta(days=number)
            campaign = Campaign.model_validate({"campaign": name, **declared})
            twin.refresh(campaign, people, as_of)
            project = project_of(campaign, holdouts={"universal": Holdout.model_validate({"percent": "20"})})
            for town in towns:
                town.set_people(people)
                run = town.refresh(project, as_of, name)
                _same(town, twin, name, run)
                _nobody_by_mistake(town, project, name)

    agrees()


def _same(town: Town, twin: Twin, name: str, run: Any) -> None:
    recipients = {
        (row["user_key"], row["sub_audience"], row["group_name"], row["is_control"], row["bucket"], row["since"])
        for row in town.recipients(name)
    }
    assert recipients == {
        (row.user, row.sub, row.group, row.control, row.bucket, twin.since[key]) for key, row in twin.recipients.items()
    }, town
    names = ("user_key", "sub_audience", "split_version", "group_name", "is_control", "bucket", "assigned_at")
    ledger = {tuple(row[column] for column in (*names, "last_seen_at")) for row in town.ledger(name)}
    assert ledger == {
        (row.user, row.sub, row.version, row.group, row.control, row.bucket, row.assigned_at, row.last_seen_at)
        for row in twin.ledger
    }, town
    held = town.rows(town.state.held_out(name, "integer"))
    assert {
        tuple(row[column] for column in ("user_key", "split_version", "held_out_at", "left_at")) for row in held
    } == {(each.user, each.version, each.held_out_at, each.left_at) for each in twin.held}, town
    assert {row["holdout"] for row in held} <= {"universal"}
    assert run.size == len(recipients)
    assert (run.included, run.excluded, run.held_out) == tuple(
        twin.left_out[reason] for reason in ("included", "excluded", "held_out")
    )


def _nobody_by_mistake(town: Town, project: Any, name: str) -> None:
    """Each treatment's audience is its recipients, and no audience of now or before has anybody else."""
    rows = town.recipients(name)
    control = {row["user_key"] for row in rows if row["is_control"]}
    treated = {(row["sub_audience"], row["group_name"], row["user_key"]) for row in rows if not row["is_control"]}
    if project.campaigns[name].assignment == "first_match":
        assert len({row["user_key"] for row in rows}) == len(rows), "somebody has two groups"
    ever = {(row["sub_audience"], row["group_name"]) for row in town.ledger(name) if not row["is_control"]}
    for sub, group in ever:
        members = town.audience(audience_name(name, sub, group))
        assert members == {key for where, which, key in treated if (where, which) == (sub, group)}
        assert not members & control

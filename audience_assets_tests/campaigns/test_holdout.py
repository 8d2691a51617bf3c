"""Who is held out is written down once, and compared with everybody who could be reached."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from scipy import stats
from sqlalchemy.engine import Engine

from audience_assets.campaigns.results import CampaignResults, PartResult, campaign_results
from audience_assets.campaigns.results_file import result_rows, write_results
from audience_assets.campaigns.results_picture import lift_picture
from audience_assets.project.campaigns import Holdout
from audience_assets.project.project import Project
from audience_assets.warehouse.functions import bucket_of
from audience_assets_tests.campaigns.people import NOON, PARIS, Town, adults_of, campaign, groups
from audience_assets_tests.campaigns.purchases import measured_project, set_orders
from audience_assets_tests.campaigns.test_results import AFTER, END, PLAN, START, buying
from audience_assets_tests.conftest import WAREHOUSES

PEOPLE = 400
DAY = timedelta(days=1)


@pytest.fixture
def town(warehouse: Engine) -> Town:
    return Town.on(warehouse, adults_of(["paris", "paris", "lyon"], PEOPLE))


@pytest.fixture
def small(make_warehouse: Any) -> Town:
    return Town.on(make_warehouse(WAREHOUSES[0]), adults_of(["paris", "paris", "lyon"], PEOPLE))


def holding(percent: str | None, **more: Any) -> Project:
    """The campaign of the other results, with so many people held out."""
    holdouts = {"universal": Holdout.model_validate({"percent": percent})} if percent else {}
    return measured_project(campaign(**{**PLAN, "holdout": "universal", **more}), holdouts=holdouts)


def held(percent: int, people: int = PEOPLE, name: str = "universal") -> set[int]:
    return {key for key in range(1, people + 1) if bucket_of(f"holdout-{name}", key) < 100 * percent}


def results_of(town: Town, project: Project) -> CampaignResults:
    return campaign_results(town.engine, town.state, project, "spring", AFTER)


def holdout_of(town: Town, project: Project) -> PartResult:
    found = results_of(town, project).holdout
    assert found is not None
    return found


def compared(town: Town, project: Project) -> dict[str, int]:
    return {group.outcome.group: group.outcome.recipients for group in holdout_of(town, project).groups}


def test_everybody_reached_is_compared_with_the_held_out(town: Town) -> None:
    project = holding("20")
    run = town.refresh(project)
    lines = buying(PEOPLE)
    set_orders(town.engine, lines)
    assert (run.held_out, run.size) == (len(held(20)), PEOPLE - len(held(20)))
    rows = town.rows(town.state.held_out("spring", "integer"))
    assert {row["user_key"] for row in rows} == held(20)
    assert {(row["holdout"], row["held_out_at"], row["left_at"]) for row in rows} == {("universal", NOON, None)}

    bought = pd.DataFrame(lines, columns=["person", "at", "amount", "pieces"])
    spent = bought[(bought["at"] >= START) & (bought["at"] < END)].groupby("person")["amount"].sum()
    spent = spent.reindex(range(1, PEOPLE + 1)).fillna(0.0)
    is_held = spent.index.isin(sorted(held(20)))
    found = holdout_of(town, project)
    control, reached = found.groups
    assert (control.outcome.group, reached.outcome.group) == ("held out", "reached")
    assert control.comparison is None and reached.comparison is not None and reached.comparison.revenue is not None
    for group, its in ((control, spent[is_held]), (reached, spent[~is_held])):
        assert (group.outcome.recipients, group.outcome.purchasers) == (len(its), (its > 0).sum())
        assert group.outcome.revenue_per_recipient == pytest.approx(its.mean())
    gain = reached.comparison.revenue
    welch = stats.ttest_ind(spent[~is_held], spent[is_held], equal_var=False)
    assert gain.p == pytest.approx(welch.pvalue)
    assert gain.each_interval == pytest.approx(welch.confidence_interval())
    assert gain.lift == pytest.approx(spent[~is_held].mean() / spent[is_held].mean() - 1)
    assert found.sample_ratio.expected == pytest.approx({"held out": 80.0, "reached": 320.0})
    assert not found.sample_ratio.broken and not results_of(town, project).warnings


def test_who_was_reached_or_held_out_first_is_measured_so_for_good(small: Town) -> None:
    """The share grows, shrinks, and the holdout ends; people leave and come back."""
    everybody = adults_of(["paris", "paris", "lyon"], PEOPLE)
    small.refresh(holding("20"))
    small.refresh(holding("40"), NOON + timedelta(hours=1))
    assert {row["user_key"] for row in small.rows(small.state.held_out("spring", "integer"))} == held(40)
    small.set_people({})
    small.refresh(holding("40"), NOON + timedelta(hours=2))
    small.set_people(everybody)
    small.refresh(holding("10"), NOON + timedelta(hours=3))
    present = {
        row["user_key"] for row in small.rows(small.state.held_out("spring", "integer")) if row["left_at"] is None
    }
    assert present == held(10)
    project = holding(None)
    run = small.refresh(project, NOON + timedelta(hours=4))
    rows = small.rows(small.state.held_out("spring", "integer"))
    assert {row["user_key"]: row["held_out_at"] for row in rows} == {
        key: NOON if key in held(20) else NOON + timedelta(hours=1) for key in held(40)
    }
    assert all(row["left_at"] for row in rows) and run.size == PEOPLE
    set_orders(small.engine, [])
    assert compared(small, project) == {"held out": len(held(20)), "reached": PEOPLE - len(held(20))}


def test_people_from_before_and_after_the_holdout_are_not_compared(small: Town) -> None:
    small.refresh(holding(None))
    small.set_people(adults_of(["paris"], 2 * PEOPLE))
    small.refresh(holding("20"), NOON + timedelta(hours=1))
    small.set_people(adults_of(["paris"], 3 * PEOPLE))
    project = holding(None)
    small.refresh(project, NOON + timedelta(hours=2))
    set_orders(small.engine, [])
    between = held(20, 2 * PEOPLE) - set(range(1, PEOPLE + 1))
    assert compared(small, project) == {"held out": len(between), "reached": PEOPLE - len(between)}


def test_shares_that_changed_are_checked_each_by_itself(small: Town) -> None:
    small.refresh(holding("10"))
    small.set_people(adults_of(["paris"], 2 * PEOPLE))
    project = holding("50")
    small.refresh(project, NOON + timedelta(hours=1))
    set_orders(small.engine, [])
    found = holdout_of(small, project)
    assert found.sample_ratio.expected == pytest.approx({"held out": 0.1 * 400 + 0.5 * 400, "reached": 0.9 * 400 + 200})
    assert not found.sample_ratio.broken and found.reshared
    table = small.state.held_out("spring", "integer")
    with small.engine.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.user_key > PEOPLE, table.c.user_key <= PEOPLE + 200))
    broken = results_of(small, project)
    assert broken.holdout is not None and broken.holdout.sample_ratio.broken
    assert any(warning.startswith("holdout universal: the groups have not the sizes") for warning in broken.warnings)


def test_a_new_draw_begins_a_new_measurement_of_the_held_out_too(small: Town) -> None:
    small.refresh(holding("20"))
    small.set_people(adults_of(["paris"], PEOPLE // 2))
    project = holding("20", split={"method": "hash", "sticky": "reshuffle", "round": 2})
    small.refresh(project, NOON + timedelta(hours=1))
    set_orders(small.engine, [])
    newer = held(20, PEOPLE // 2)
    assert compared(small, project) == {"held out": len(newer), "reached": PEOPLE // 2 - len(newer)}


def test_somebody_in_several_sub_audiences_is_held_out_once(small: Town) -> None:
    parts = [{"name": "All", "groups": groups("50")}, {"name": "Paris", "where": PARIS, "groups": groups("50")}]
    project = holding("20", sub_audiences=parts, assignment="all_matches", remaining=None)
    run = small.refresh(project)
    set_orders(small.engine, [])
    assert run.held_out == len(held(20))
    assert compared(small, project) == {"held out": len(held(20)), "reached": PEOPLE - len(held(20))}


def test_only_who_would_have_been_a_recipient_is_held_out(small: Town) -> None:
    """Neither who is in no sub-audience, nor whom a campaign that ranks first has, or holds out itself."""
    paris = [{"name": "Paris", "where": PARIS, "groups": groups("10")}]
    loud = {"holdout": "universal", "priority_list": "loud"}
    first = campaign("first", include=["parisians"], **loud)
    second = campaign("second", **loud)
    alone = campaign("alone", holdout="universal", sub_audiences=paris)
    project = measured_project(
        first,
        second,
        alone,
        holdouts={"universal": Holdout.model_validate({"percent": "20"})},
        priority_lists={"loud": ["first", "second"]},
    )
    in_paris = {key for key, (city, _) in adults_of(["paris", "paris", "lyon"], PEOPLE).items() if city == "paris"}
    for name in ("first", "second", "alone"):
        small.refresh(project, NOON, name)

    def kept_from(name: str) -> set[int]:
        return {row["user_key"] for row in small.rows(small.state.held_out(name, "integer"))}

    assert kept_from("alone") == kept_from("first") == held(20) & in_paris
    assert kept_from("second") == held(20) - in_paris


def test_the_holdout_is_two_rows_of_the_file_and_a_line_of_the_picture(small: Town, tmp_path: Path) -> None:
    project = holding("20")
    small.refresh(project)
    set_orders(small.engine, buying(PEOPLE))
    found = results_of(small, project)
    rows = list(result_rows(found))
    assert [(row["comparison"], row["sub_audience"], row["group"]) for row in rows[-2:]] == [
        ("holdout", "", "held out"),
        ("holdout", "", "reached"),
    ]
    assert {row["comparison"] for row in rows[:-2]} == {"control"}
    assert rows[-1]["revenue_lift_low"] < rows[-1]["revenue_lift"] < rows[-1]["revenue_lift_high"]
    assert write_results(found, project.campaigns["spring"], tmp_path).exists()
    assert lift_picture(found).split("\n\n")[-1].startswith("holdout universal")


def test_without_a_holdout_nobody_is_compared(small: Town) -> None:
    project = holding(None)
    small.refresh(project)
    set_orders(small.engine, [])
    assert results_of(small, project).holdout is None

"""Results equal what pandas computes from the ledger and the orders; chance alone tells groups apart."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from scipy import stats
from sqlalchemy.engine import Engine

from audience_assets.campaigns.outlook import campaign_outlook
from audience_assets.campaigns.results import CampaignResults, GroupResult, campaign_results
from audience_assets.campaigns.results_file import result_rows, write_results
from audience_assets.campaigns.results_picture import lift_picture
from audience_assets.errors import AudienceError, WarehouseError
from audience_assets.project.project import Project
from audience_assets.warehouse.functions import bucket_of
from audience_assets_tests.campaigns.people import NOON, PARIS, Town, adults_of, campaign, groups
from audience_assets_tests.campaigns.purchases import INSIGHTS, Line, measured_project, set_orders
from audience_assets_tests.conftest import WAREHOUSES

LAUNCH = date(2026, 3, 16)
START = datetime(2026, 3, 15, 23, tzinfo=UTC)  # midnight in Paris
END = datetime(2026, 3, 22, 23, tzinfo=UTC)
AFTER = datetime(2026, 4, 1, tzinfo=UTC)
PLAN: dict[str, Any] = {
    "launch": "2026-03-16",
    "split": {"method": "hash"},
    "sub_audiences": [{"name": "Paris", "where": PARIS, "groups": groups("30", "40", "30")}],
    "remaining": {"groups": groups("0", "50", "50")},
}


def buying(people: int, seed: int = 7) -> list[Line]:
    """Everybody but every third has some orders on and around the edges of the window."""
    chance = np.random.default_rng(seed)
    tick = timedelta(microseconds=1)
    times = [START - tick, START, START + timedelta(days=3), END - tick, END, END + timedelta(days=2)]
    return [
        (
            person,
            times[int(chance.integers(len(times)))],
            float(chance.integers(1, 400)) / 4,
            int(chance.integers(0, 5)),
        )
        for person in range(1, people + 1)
        if person % 3
        for _ in range(int(chance.integers(1, 4)))
    ]


def frame(town: Town, lines: list[Line], until: datetime = END) -> pd.DataFrame:
    """One row a person of the ledger, with what they bought within the window."""
    bought = pd.DataFrame(lines, columns=["person", "at", "amount", "pieces"])
    bought = bought[(bought["at"] >= START) & (bought["at"] < until)]
    sums = bought.groupby("person").agg(orders=("at", "size"), revenue=("amount", "sum"), items=("pieces", "sum"))
    ledger = pd.DataFrame(town.ledger()).sort_values("split_version").drop_duplicates("user_key")
    return ledger.merge(sums, left_on="user_key", right_index=True, how="left").fillna(
        {"orders": 0, "revenue": 0.0, "items": 0}
    )


def found_in(town: Town, project: Project, as_of: datetime = AFTER, **more: Any) -> CampaignResults:
    return campaign_results(town.engine, town.state, project, "spring", as_of, **more)


def by_group(results: CampaignResults) -> dict[tuple[str, str], GroupResult]:
    return {(part.name, group.outcome.group): group for part in results.parts for group in part.groups}


@pytest.fixture
def town(warehouse: Engine) -> Town:
    return Town.on(warehouse, adults_of(["paris", "paris", "lyon"], 400))


def test_every_number_is_that_of_pandas(town: Town) -> None:
    project = measured_project(campaign(**PLAN))
    town.refresh(project)
    lines = buying(400)
    set_orders(town.engine, lines, returned=[(person, START, 1000.0, 9) for person in range(1, 400, 5)])
    found = by_group(found_in(town, project))
    people = frame(town, lines)
    assert set(found) == {("Paris", "control"), ("Paris", "A"), ("Paris", "B"), ("Remaining", "A"), ("Remaining", "B")}
    for (part, group), result in found.items():
        its = people[(people["sub_audience"] == part) & (people["group_name"] == group)]
        outcome = result.outcome
        assert (outcome.recipients, outcome.purchasers) == (len(its), (its["orders"] > 0).sum())
        assert (outcome.orders, outcome.items) == (its["orders"].sum(), its["items"].sum())
        assert outcome.revenue == pytest.approx(its["revenue"].sum())
        assert outcome.revenue_deviation == pytest.approx(its["revenue"].std(ddof=1))
        assert outcome.conversion_rate == pytest.approx((its["orders"] > 0).mean())
        assert outcome.revenue_per_recipient == pytest.approx(its["revenue"].mean())
        assert outcome.average_order_value == pytest.approx(its["revenue"].sum() / its["orders"].sum())
        assert outcome.items_per_order == pytest.approx(its["items"].sum() / its["orders"].sum())
        control = people[(people["sub_audience"] == part) & people["is_control"]]
        assert (result.comparison is None) == (control.empty or group == "control")
        if result.comparison and result.comparison.revenue:
            gain = result.comparison.revenue
            assert gain.p == pytest.approx(stats.ttest_ind(its["revenue"], control["revenue"], equal_var=False).pvalue)
            assert gain.lift == pytest.approx(its["revenue"].mean() / control["revenue"].mean() - 1)
            assert gain.total == pytest.approx((its["revenue"].mean() - control["revenue"].mean()) * len(its))
            assert gain.p is not None and gain.p_adjusted is not None and gain.p_adjusted >= gain.p


def test_everybody_counts_in_their_first_group_whatever_became_of_them(town: Town) -> None:
    """Who left the campaign, who was deleted, and who was given another group since."""
    plan = {**PLAN, "split": {"method": "hash", "sticky": "rebalance"}}
    town.refresh(measured_project(campaign(**plan)))
    first = {row["user_key"]: row["group_name"] for row in town.ledger()}
    town.set_people({key: person for key, person in adults_of(["paris", "paris", "lyon"], 500).items() if key % 10})
    changed = {**plan, "sub_audiences": [{**plan["sub_audiences"][0], "groups": groups("50", "30", "20")}]}
    project = measured_project(campaign(**changed))
    town.refresh(project, NOON + timedelta(days=2))
    assert len(town.ledger()) > len({row["user_key"] for row in town.ledger()}) > 400
    lines = buying(500)
    set_orders(town.engine, lines)
    results = found_in(town, project)
    # Orders of whoever is no user any more can't be found by way of the users.
    people = frame(town, [line for line in lines if line[0] % 10])
    assert {key: first[key] for key in people["user_key"] if key in first} == first
    for (part, group), result in by_group(results).items():
        its = people[(people["sub_audience"] == part) & (people["group_name"] == group)]
        assert result.outcome.recipients == len(its)
        assert result.outcome.revenue == pytest.approx(its["revenue"].sum())
    paris = results.parts[0]
    assert paris.reshared
    assert any("percentages changed on the way" in warning for warning in results.warnings)
    assert not paris.sample_ratio.broken
    expected = paris.sample_ratio.expected["control"]
    before, after = (people[(people["sub_audience"] == "Paris") & (people["split_version"] == each)] for each in (1, 2))
    assert expected == pytest.approx(0.3 * len(before) + 0.5 * len(after))


def test_a_new_draw_begins_a_new_measurement(town: Town) -> None:
    town.refresh(measured_project(campaign(**PLAN)))
    again = {**PLAN, "split": {"method": "hash", "sticky": "reshuffle", "round": 2}}
    project = measured_project(campaign(**again))
    town.refresh(project, NOON + timedelta(hours=1))
    set_orders(town.engine, [])
    newest = pd.DataFrame(town.ledger()).query("split_version == 2")
    for (part, group), result in by_group(found_in(town, project)).items():
        same = (newest["sub_audience"] == part) & (newest["group_name"] == group)
        assert 0 < same.sum() == result.outcome.recipients


def test_a_window_that_is_not_over_ends_now_and_says_so(town: Town) -> None:
    project = measured_project(campaign(**PLAN))
    town.refresh(project)
    lines = buying(400)
    set_orders(town.engine, lines)
    early = START + timedelta(days=3)
    found = found_in(town, project, early)
    assert (found.since, found.until, found.complete) == (START, early, False)
    assert found.warnings == ["the window of 7 days is not over yet"]
    assert found_in(town, project).warnings == []
    total = sum(result.outcome.revenue or 0 for result in by_group(found).values())
    assert total == pytest.approx(frame(town, lines, early)["revenue"].sum())
    with pytest.raises(AudienceError, match="nobody had a group of the campaign spring before 2026-03-09 23:00 UTC"):
        found_in(town, project, launch=date(2026, 3, 3))
    longer = found_in(town, project, launch=date(2026, 3, 17), window_days=2)
    assert (longer.since, longer.until) == (START + timedelta(days=1), START + timedelta(days=3))
    with pytest.raises(AudienceError, match="launched on 2026-03-16: there are no results before"):
        found_in(town, project, START)


def test_who_comes_after_the_window_is_not_measured(town: Town) -> None:
    project = measured_project(campaign(**PLAN))
    town.refresh(project)
    town.set_people(adults_of(["paris"], 500))
    town.refresh(project, END)
    set_orders(town.engine, [])
    assert sum(result.outcome.recipients for result in by_group(found_in(town, project)).values()) == 400
    town.set_people(adults_of(["paris"], 600))
    town.refresh(project, END - timedelta(days=1))
    found = found_in(town, project)
    assert sum(result.outcome.recipients for result in by_group(found).values()) == 500
    [warning] = found.warnings
    assert warning.startswith("100 of 500 people were given their group after the launch")


@pytest.mark.parametrize("kind", WAREHOUSES[:1])
def test_orders_may_have_a_row_a_line_and_a_measure_of_their_own(make_warehouse: Any, kind: str) -> None:
    town = Town.on(make_warehouse(kind), adults_of(["paris"], 40))
    measurement = {"conversion": {"model": "orders", "order_field": "pieces"}, "window_days": "7"}
    plan = {**PLAN, "measurement": measurement}
    project = measured_project(campaign(**plan), insights={})
    town.refresh(project)
    set_orders(town.engine, [(person, START, 2.0, 1) for person in range(1, 41) for _ in range(3)])
    for result in by_group(found_in(town, project)).values():
        outcome = result.outcome
        assert (outcome.orders, outcome.revenue, outcome.items) == (outcome.recipients, None, None)
        assert result.comparison is None or result.comparison.revenue is None
    with pytest.raises(AudienceError, match="nothing says what counts as a purchase in the campaign spring"):
        found_in(town, measured_project(campaign(**PLAN), insights={}))


def test_a_campaign_that_was_never_computed_says_so(warehouse: Engine) -> None:
    town = Town.on(warehouse)
    set_orders(warehouse, [])
    with pytest.raises(WarehouseError, match="campaign spring was never computed"):
        found_in(town, measured_project(campaign(**PLAN)))


def test_a_value_that_is_no_number_is_told_and_not_added_up(make_warehouse: Any) -> None:
    town = Town.on(make_warehouse("duckdb"), adults_of(["paris"], 20))
    bought = START + timedelta(hours=1)
    set_orders(town.engine, [(1, bought, float("nan"), 1), (2, bought, 5.0, 1)])
    project = measured_project(campaign(launch=LAUNCH))
    town.refresh(project)
    with pytest.raises(AudienceError, match="amount in orders can't be added up: some are no numbers"):
        found_in(town, project)
    with town.engine.connect() as connection:
        [outlook] = campaign_outlook(connection, town.state, project, "spring", bought + timedelta(days=1))
    assert (outlook.base_rate, outlook.base_revenue) == (0.1, None)


def test_lost_people_are_a_sample_ratio_mismatch(town: Town) -> None:
    project = measured_project(campaign(**{**PLAN, "sub_audiences": [], "remaining": {"groups": groups("50")}}))
    town.refresh(project)
    set_orders(town.engine, [])
    sound = found_in(town, project)
    assert not sound.parts[0].sample_ratio.broken
    ledger = town.state.assignment("spring", "integer")
    with town.engine.begin() as connection:
        connection.execute(sa.delete(ledger).where(ledger.c.is_control.is_(sa.true()), ledger.c.user_key <= 200))
    broken = found_in(town, project)
    assert broken.parts[0].sample_ratio.broken
    assert any("people are missing from some more than from others" in warning for warning in broken.warnings)


def test_the_file_is_named_after_the_campaign_and_holds_every_column(town: Town, tmp_path: Path) -> None:
    declared = campaign(**PLAN).model_copy(update={"name": "Spring Sale"})
    project = measured_project(declared)
    town.refresh(project)
    set_orders(town.engine, buying(400))
    results = found_in(town, project)
    path = write_results(results, declared, tmp_path / "results")
    assert path.name == "Spring Sale_results_2026-03-16_7d.csv"
    with path.open(newline="", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    rows = list(result_rows(results))
    assert [row["group"] for row in written] == ["control", "A", "B", "A", "B"]
    for text, row in zip(written, rows, strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == text
    asked = (
        "recipients purchasers orders items revenue revenue_standard_deviation average_order_value conversion_rate "
        "revenue_per_recipient orders_per_purchaser items_per_order incremental_conversion_rate conversion_lift "
        "incremental_revenue incremental_revenue_per_recipient revenue_lift"
    )
    assert set(asked.split()) <= set(rows[0])
    over_control = [
        name for name in rows[0] if "incremental" in name or "lift" in name or name.endswith(("_p", "_adjusted"))
    ]
    for row in rows:
        known = [row[name] is not None for name in over_control if name != "sample_ratio_p"]
        assert all(known) if (row["sub_audience"], row["is_control"]) == ("Paris", False) else not any(known)
        if row["conversion_lift"] is not None:
            for name in ("conversion_lift", "revenue_lift", "incremental_revenue", "incremental_purchasers"):
                assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


def test_a_planted_lift_is_inside_the_interval_of_95_percent_of_computed_campaigns(make_warehouse: Any) -> None:
    """From people in a warehouse to the interval: campaigns over the same people, each with a split of its own."""
    campaigns, people, base, lift = 30, 1000, 0.20, 0.20
    town = Town.on(make_warehouse("sqlite"), adults_of(["paris"], people))
    chance = np.random.default_rng(11)
    hits = {"rate": 0, "lift": 0, "mean": 0}
    for number in range(campaigns):
        name = f"try{number}"
        declared = campaign(name, launch="2026-03-16", split={"method": "hash"}, remaining={"groups": groups("40")})
        project = measured_project(declared)
        town.refresh(project, name=name)
        treated = {key for key in range(people + 1) if bucket_of(name, key) >= 4000}
        draws, worth = chance.random(people + 1), chance.gamma(2.0, 20.0, people + 1)
        set_orders(
            town.engine,
            [
                (person, START, float(worth[person]), 1)
                for person in range(1, people + 1)
                if draws[person] < base * (1 + lift * (person in treated))
            ],
        )
        results = campaign_results(town.engine, town.state, project, name, AFTER)
        found = by_group(results)["Remaining", "A"].comparison
        assert found is not None and found.revenue is not None
        for kind, interval, truth in (
            ("rate", found.conversions.each_interval, base * lift),
            ("lift", found.conversions.lift_interval, lift),
            ("mean", found.revenue.each_interval, base * lift * 40),
        ):
            assert interval is not None
            hits[kind] += interval.low <= truth <= interval.high
    for kind, number in hits.items():
        assert number >= 26, kind  # fewer of 30 happens to 1 sound procedure in 60


def test_insights_settings_are_what_is_measured_unless_the_campaign_says_otherwise() -> None:
    from audience_assets.campaigns.measures import Measured, Sum, measured

    assert measured(measured_project(), campaign()) == Measured(
        "orders", None, Sum("orders", "amount"), Sum("orders", "pieces")
    )
    own = campaign(measurement={"value": {"model": "orders", "field": "pieces"}})
    assert measured(measured_project(), own).value == Sum("orders", "pieces")
    lines = measured_project(insights=INSIGHTS | {"order_field": "order_id"})
    assert measured(lines, campaign()).order_field == "order_id"


def test_the_picture_has_a_line_for_each_lift_beside_the_line_of_none(make_warehouse: Any) -> None:
    town = Town.on(make_warehouse("sqlite"), adults_of(["paris", "paris", "lyon"], 300))
    project = measured_project(campaign(**PLAN))
    town.refresh(project)
    set_orders(town.engine, buying(300))
    lines = lift_picture(found_in(town, project)).splitlines()
    assert lines[0] == "Paris"
    assert [line.split()[:2] for line in lines[2:]] == [
        [group, what] for group in "AB" for what in ("conversion", "revenue")
    ]
    for line in lines[2:]:
        assert {"├", "●", "┤"} <= set(line)
    set_orders(town.engine, [])
    assert lift_picture(found_in(town, project)) == ""


def test_capped_revenue_is_what_scipy_makes_of_it(town: Town) -> None:
    """One cap for all groups of a sub-audience, its recipients without a purchase included."""
    project = measured_project(campaign(**PLAN | {"measurement": {"window_days": "7", "cap_revenue_percentile": "95"}}))
    town.refresh(project)
    lines = [*buying(400), (7, START, 90_000.0, 1), (8, START, 50_000.0, 1)]
    set_orders(town.engine, lines)
    found = found_in(town, project)
    people = frame(town, lines)
    people["counted"] = people.groupby("sub_audience")["revenue"].transform(
        lambda its: stats.mstats.winsorize(its.to_numpy(), limits=(0, 0.05)).data
    )
    for (part, group), result in by_group(found).items():
        its = people[(people["sub_audience"] == part) & (people["group_name"] == group)]
        outcome = result.outcome
        assert outcome.cap == people[people["sub_audience"] == part]["counted"].max()
        assert outcome.capped == (its["revenue"] > its["counted"]).sum()
        assert outcome.revenue == pytest.approx(its["revenue"].sum())
        assert outcome.revenue_per_recipient == pytest.approx(its["counted"].mean())
        assert outcome.revenue_deviation == pytest.approx(its["counted"].std(ddof=1))
        control = people[(people["sub_audience"] == part) & people["is_control"]]
        if result.comparison and result.comparison.revenue:
            welch = stats.ttest_ind(its["counted"], control["counted"], equal_var=False)
            assert result.comparison.revenue.p == pytest.approx(welch.pvalue)
            assert result.comparison.revenue.each_interval == pytest.approx(welch.confidence_interval())
    [row] = [row for row in result_rows(found) if (row["sub_audience"], row["group"]) == ("Paris", "A")]
    outcome = by_group(found)["Paris", "A"].outcome
    assert (row["revenue_cap_percentile"], row["revenue_cap"]) == (95.0, outcome.cap)
    assert (row["revenue"], row["counted_revenue"]) == (outcome.revenue, outcome.counted_revenue)
    assert (outcome.revenue or 0) > (outcome.counted_revenue or 0)


def test_nothing_is_capped_unless_somebody_says_so(make_warehouse: Any) -> None:
    town = Town.on(make_warehouse("sqlite"), adults_of(["paris"], 400))
    project = measured_project(campaign(**PLAN))
    town.refresh(project)
    set_orders(town.engine, buying(400))
    plain, capped = found_in(town, project), found_in(town, project, cap_percentile=Decimal("50"))
    for (name, result), other in zip(by_group(plain).items(), by_group(capped).values(), strict=True):
        assert (result.outcome.cap, result.outcome.capped) == (None, None)
        assert result.outcome.counted_revenue == result.outcome.revenue == other.outcome.revenue
        assert (other.outcome.counted_revenue or 0) < (other.outcome.revenue or 0), name

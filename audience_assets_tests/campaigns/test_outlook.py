"""What a campaign can find out, told before it is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from audience_assets.campaigns.outlook import Outlook, campaign_outlook
from audience_assets.campaigns.power import detectable_mean_lift, detectable_rate_lift
from audience_assets_tests.campaigns.people import NOON, PARIS, Town, adults_of, campaign, groups
from audience_assets_tests.campaigns.purchases import Line, measured_project, set_orders

PLAN: dict[str, Any] = {
    "sub_audiences": [{"name": "Paris", "where": PARIS, "groups": groups("20", "50", "30")}],
    "remaining": {"groups": groups("0")},
    "measurement": {"window_days": "7", "useful_lift_percent": "50"},
}


def outlook(town: Town, **changes: Any) -> list[Outlook]:
    project = measured_project(campaign(**{**PLAN, **changes}))
    town.refresh(project)
    with town.engine.connect() as connection:
        return campaign_outlook(connection, town.state, project, "spring", NOON)


def test_the_outlook_is_that_of_the_days_before(warehouse: Engine) -> None:
    town = Town.on(warehouse, adults_of(["paris", "paris", "lyon"], 150))
    recent: list[Line] = [(person, NOON - timedelta(days=6), 20.0, 1) for person in range(1, 151, 4)]
    older: list[Line] = [(person, NOON - timedelta(days=8), 20.0, 1) for person in range(1, 151)]
    set_orders(warehouse, [*recent, *older])
    parisians = [person for person in range(1, 151) if person % 3 != 2]
    base = sum(person % 4 == 1 for person in parisians) / len(parisians)
    deviation = 20 * (base * (1 - base) * len(parisians) / (len(parisians) - 1)) ** 0.5
    a, b = outlook(town)
    assert (a.sub_audience, a.group, a.treated, a.control, b.treated) == ("Paris", "A", 50, 20, 30)
    assert a.base_rate == pytest.approx(base)
    assert a.base_revenue == pytest.approx(20 * base)
    assert a.rate_lift == pytest.approx(detectable_rate_lift(base, 50, 20))
    assert a.revenue_lift == pytest.approx(detectable_mean_lift(20 * base, deviation, 50, 20))
    [remark] = a.remarks
    assert remark == (
        f"Paris: 'A' beside 20 people in control can show only a lift of {a.rate_lift:.0%} or more of conversions, and "
        "50% would be useful: enlarge the control or the audience"
    )


def test_of_people_who_buy_nothing_no_lift_can_be_shown(make_warehouse: Any) -> None:
    town = Town.on(make_warehouse("sqlite"), adults_of(["paris"], 60))
    set_orders(town.engine, [])
    [a, _] = outlook(town)
    assert (a.base_rate, a.rate_lift, a.revenue_lift) == (0, None, None)
    assert "can show no lift at all" in next(a.remarks)


def test_without_a_measure_there_is_no_outlook(make_warehouse: Any) -> None:
    town = Town.on(make_warehouse("sqlite"), adults_of(["paris"], 60))
    project = measured_project(campaign(**PLAN), insights={})
    town.refresh(project)
    with town.engine.connect() as connection:
        assert campaign_outlook(connection, town.state, project, "spring", NOON) == []


def test_groups_are_as_large_as_chance_made_them(make_warehouse: Any) -> None:
    town = Town.on(make_warehouse("sqlite"), adults_of(["paris"], 200))
    set_orders(town.engine, [(1, NOON - timedelta(days=1), 20.0, 1)])
    project = measured_project(campaign(**PLAN, split={"method": "hash"}))
    run = town.refresh(project)
    with town.engine.connect() as connection:
        a, b = campaign_outlook(connection, town.state, project, "spring", NOON)
    assert {"control": a.control, "A": a.treated, "B": b.treated} == run.counts["Paris"]
    assert run.counts["Paris"] != {"control": 40, "A": 100, "B": 60}

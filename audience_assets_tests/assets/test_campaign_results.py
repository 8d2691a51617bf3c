"""Results of campaigns in Dagster: numbers, a table of the groups, and a picture of the lifts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import sqlalchemy as sa

from audience_assets import build_definitions
from audience_assets.assets.campaign_results import SCHEDULE
from audience_assets_tests.assets.shop import FILES, PEOPLE, Shop, write_project

ORDERS = """
  orders:
    type: events
    table: orders
    key: id
    key_type: integer
    timestamp: at
    fields: {customer: {type: integer}, amount: {type: number}}
relationships:
  - {from: customers, to: orders, kind: has_many, on: {id: customer}}
"""
SPRING = """
name: Spring
include: [everybody]
split: {method: exact}
remaining:
  name: All
  groups:
    - {name: control, percent: 40, control: true}
    - {name: Socks, percent: 60, destinations: [klaviyo]}
measurement:
  window_days: 3
  value: {model: orders, field: amount}
"""
TODAY = datetime.now(ZoneInfo("Europe/Paris")).date()


@pytest.fixture
def measured(shop: Shop) -> Shop:
    """The shop with a campaign that was launched yesterday; who has an even number bought for 10 the moment after."""
    launch = f"launch: {TODAY - timedelta(days=1)}\n"
    write_project(
        shop.folder, {"project.yaml": FILES["project.yaml"] + ORDERS, "campaigns/spring.yaml": SPRING + launch}
    )
    shop.definitions = build_definitions(shop.folder)
    table = sa.Table(
        "orders",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger),
        sa.Column("customer", sa.BigInteger),
        sa.Column("at", sa.DateTime),
        sa.Column("amount", sa.Double),
    )
    table.create(shop.engine)
    at = datetime.combine(TODAY - timedelta(days=1), datetime.min.time(), tzinfo=ZoneInfo("Europe/Paris"))
    moment = at.astimezone(UTC).replace(tzinfo=None)
    rows = [{"id": key, "customer": key, "at": moment, "amount": 10.0} for key in range(2, PEOPLE + 1, 2)]
    with shop.engine.begin() as connection:
        connection.execute(table.insert(), rows)
    return shop


def test_results_are_an_asset_downstream_of_the_campaign_with_a_picture(measured: Shop, tmp_path: Path) -> None:
    graph = measured.definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["campaign_results", "spring"])).parent_keys == {
        dg.AssetKey(["campaign", "spring"]),
        dg.AssetKey(["warehouse", "orders"]),
    }
    ops = {"campaign_results__spring": {"config": {"folder": str(tmp_path)}}}
    assert measured.materialize("campaign/spring", "campaign_results/spring", ops=ops).success
    found = measured.numbers("campaign_results/spring")
    assert (found["recipients"], found["purchasers"], found["window_is_over"]) == (PEOPLE, PEOPLE // 2, False)
    control, socks = (record.data for record in found["results"].records)
    columns = [column.name for column in found["results"].schema.columns]
    assert columns == ["group", "people", "purchasers", "revenue"], "as many as fit the page"
    [of_socks, of_control] = [bought(row) for row in (socks, control)]
    of_all = f"{of_control} ({of_control / 12:.1%})"
    assert (control["group"], control["people"], control["purchasers"]) == ("All: control", "12", of_all)
    assert (socks["group"], socks["people"]) == ("All: Socks", "18")
    lift = f"{(of_socks / 18) / (of_control / 12) - 1:+.1%}"
    ends = r"\([+-]\S+% to [+-]\S+%\), p \d\.\d{3}"
    told = rf"{of_socks} \({of_socks / 18:.1%}\); lift {re.escape(lift)} {ends}"
    assert re.fullmatch(told, socks["purchasers"])
    assert re.fullmatch(rf"{10 * of_socks / 18:.2f} each; lift {re.escape(lift)} {ends}; \S+ in all", socks["revenue"])
    expected = (of_socks / 18 - of_control / 12) * 18
    assert found["incremental_purchasers"] == pytest.approx(expected, abs=0.01)
    assert "the window of 3 days is not over yet" in found["summary"]
    assert "Socks  conversion" in found["summary"] and "├" in found["summary"] and "●" in found["summary"]
    assert Path(found["file"]).name == f"Spring_results_{TODAY - timedelta(days=1)}_3d.csv"
    assert Path(found["file"]).is_file()
    assert "shop-customers.com" not in repr(measured.newest("campaign_results/spring"))


def bought(row: Mapping[str, Any]) -> int:
    return int(row["purchasers"].partition(" ")[0])


def test_the_held_out_are_rows_numbers_and_a_line_of_the_picture(measured: Shop) -> None:
    holdouts = "holdouts: {universal: {percent: 30}}\n"
    write_project(measured.folder, {"project.yaml": FILES["project.yaml"] + ORDERS + holdouts})
    measured.definitions = build_definitions(measured.folder)
    assert measured.materialize("campaign/spring", "campaign_results/spring").success
    found = measured.numbers("campaign_results/spring")
    *_, held, reached = (record.data for record in found["results"].records)
    assert (held["group"], reached["group"]) == ("holdout universal: held out", "holdout universal: reached")
    people, rest = int(held["people"]), int(reached["people"])
    assert found["held_out"] == people > 0
    assert found["recipients"] == rest == PEOPLE - found["held_out"]
    expected = (bought(reached) / rest - bought(held) / people) * rest
    assert found["incremental_purchasers_over_holdout"] == pytest.approx(expected, abs=0.02)
    assert "holdout universal" in found["summary"]


def test_a_campaign_that_was_never_computed_says_how_to_mend_it(measured: Shop) -> None:
    result = measured.materialize("campaign_results/spring")
    [event] = result.get_step_failure_events()
    assert "campaign spring was never computed" in str(event.step_failure_data)


def test_results_are_measured_while_the_window_runs_and_once_after(measured: Shop) -> None:
    schedule = measured.definitions.resolve_schedule_def(SCHEDULE)
    asked = []
    for day in range(-2, 5):
        at = datetime.combine(TODAY + timedelta(days=day), datetime.min.time(), tzinfo=ZoneInfo("Europe/Paris"))
        with dg.build_schedule_context(
            instance=measured.instance,
            scheduled_execution_time=at + timedelta(hours=8),
            repository_def=measured.definitions.get_repository_def(),
        ) as context:
            asked.append([request.asset_selection for request in schedule.evaluate_tick(context).run_requests or ()])
    results = [[dg.AssetKey(["campaign_results", "spring"])]]
    assert asked == [[], [], results, results, results, [], []]


def test_campaigns_that_nothing_measures_have_no_results(shop: Shop) -> None:
    write_project(shop.folder, {"campaigns/spring.yaml": SPRING.partition("measurement:")[0]})
    definitions = build_definitions(shop.folder)
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert "campaign/spring" in keys
    assert not [key for key in keys if key.startswith("campaign_results")]
    assert SCHEDULE not in {each.name for each in definitions.schedules or []}


def test_the_campaign_tells_what_it_can_show_until_it_is_launched(measured: Shop) -> None:
    def shown() -> set[str]:
        assert measured.materialize("campaign/spring").success
        return set(measured.numbers("campaign/spring"))

    assert "outlook" not in shown()
    file = measured.folder / "campaigns" / "spring.yaml"
    file.write_text(SPRING + f"  useful_lift_percent: 5\nlaunch: {TODAY + timedelta(days=2)}\n")
    measured.definitions = build_definitions(measured.folder)
    assert {"outlook", "outlook_warnings"} <= shown()
    [record] = measured.numbers("campaign/spring")["outlook"].records
    assert (record.data["treatment"], record.data["people"], record.data["control"]) == ("All: Socks", 18, 12)
    assert "5% would be useful" in measured.numbers("campaign/spring")["outlook_warnings"]

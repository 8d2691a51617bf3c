"""Insights in Dagster: assets beside the segments, with numbers, tables and pictures."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from audience_assets import build_definitions
from audience_assets_tests.assets.shop import FILES, PEOPLE, Shop, write_project

INSIGHTS = """
insights:
  channels: {email: {field: email, valid: email}}
  breakdowns: [score, email]
  overlap: [everybody, best]
  daily_at: "07:05"
"""


@pytest.fixture
def told(shop: Shop) -> Shop:
    """The shop once it declares insights."""
    write_project(shop.folder, {"project.yaml": FILES["project.yaml"] + INSIGHTS})
    shop.definitions = build_definitions(shop.folder)
    return shop


def test_insights_are_assets_of_their_own_and_none_where_none_are_declared(told: Shop, tmp_path: Path) -> None:
    graph = told.definitions.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {"insights/everybody", "insights/best", "segment_overlap"} <= keys
    assert graph.get(dg.AssetKey(["insights", "best"])).parent_keys == {
        dg.AssetKey(["segment", "best"]),
        dg.AssetKey(["warehouse", "customers"]),
    }
    [schedule] = [each for each in told.definitions.schedules or [] if "insights" in each.name]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.name, schedule.cron_schedule) == ("insights_daily_at_0705", "5 7 * * *")
    without = build_definitions(write_project(tmp_path / "without"))
    assert not [key for key in without.resolve_asset_graph().get_all_asset_keys() if "insights" in key.path]


def test_what_the_page_of_a_segments_insights_shows(told: Shop) -> None:
    names = ("segment/everybody", "segment/best", "insights/everybody", "insights/best", "segment_overlap")
    assert told.materialize(*names).success
    told.change([30], score=0)
    assert told.materialize("segment/best", "insights/best").success
    found = told.numbers("insights/best")
    assert (found["size"], found["reach_email"], found["list_best"]) == (10, 10, 10)
    assert found["share_percent"] == round(100 * 10 / PEOPLE, 2)
    assert "list best     ████████████████████████ 100.0 %  10" in found["summary"]
    assert "size          █▁" in found["summary"]
    sizes = [record.data["size"] for record in found["trend"].records]
    assert sizes == [10, 11]
    values = {record.data["value"]: record.data["members"] for record in found["by_score"].records}
    assert values["20"] == 1
    assert "by_email" not in found  # personal data
    assert "@" not in str(found)


def test_what_the_page_of_the_overlap_shows(told: Shop) -> None:
    told.materialize("segment/everybody", "segment/best", "segment_overlap")
    [everybody, best] = told.numbers("segment_overlap")["overlap"].records
    assert (everybody.data["members"], everybody.data["in no other"]) == (PEOPLE, PEOPLE - 11)
    assert everybody.data["best"] == "11 (36.7%)"
    assert best.data["everybody"] == "11 (100.0%)"
    assert told.numbers("segment_overlap")["in_all"] == 11


def test_insights_of_a_segment_that_was_never_computed_say_how_to_mend_it(told: Shop) -> None:
    result = told.materialize("insights/best")
    assert not result.success
    [event] = result.get_step_failure_events()
    assert "segment best was never computed" in str(event.step_failure_data)

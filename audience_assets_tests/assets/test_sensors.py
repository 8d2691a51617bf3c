"""What sensors and schedules ask for, on a real warehouse and a real instance."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from audience_assets import build_definitions
from audience_assets_tests.assets.shop import Shop, newest_day, write_project

WAREHOUSE, STALE = "warehouse_changes", "klaviyo_stale_lists"


def asked(request: dg.RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection or ()}


def settle(shop: Shop) -> None:
    """Let sensors and the runs they ask for come to rest."""
    cursor = None
    for _ in range(5):
        found = shop.tick(WAREHOUSE, cursor)
        cursor = found.cursor
        requests = [*found.run_requests, *shop.tick(STALE).run_requests]
        if not requests:
            return
        for request in requests:
            assert shop.materialize(*asked(request), partition=request.partition_key).success
    raise AssertionError("the sensors never come to rest")


def test_a_first_look_asks_for_the_segments_and_then_for_the_lists(shop: Shop) -> None:
    found = shop.tick(WAREHOUSE)
    [request] = found.run_requests
    assert asked(request) == {"segment/everybody", "segment/best"}
    assert shop.tick(STALE).skip_message == "2 lists wait for their segments"
    assert shop.materialize(*asked(request)).success
    [delivery] = shop.tick(STALE).run_requests
    assert asked(delivery) == {"klaviyo/news", "klaviyo/best"}
    assert delivery.partition_key == newest_day()


def test_sources_are_reported_when_their_watermark_moves(shop: Shop) -> None:
    cursor = shop.tick(WAREHOUSE).cursor
    first = shop.newest("warehouse/customers").tags
    shop.tick(WAREHOUSE, cursor)
    assert len(shop.instance.fetch_materializations(dg.AssetKey(["warehouse", "customers"]), limit=9).records) == 1
    shop.change([1], score=50)
    shop.tick(WAREHOUSE, cursor)
    second = shop.newest("warehouse/customers").tags
    assert first is not None and second is not None
    assert first["dagster/data_version"] != second["dagster/data_version"]


def test_a_change_flows_to_the_list_that_it_concerns(shop: Shop) -> None:
    settle(shop)
    shop.change([1], score=50)
    settle(shop)
    assert "person1@shop-customers.com" in shop.members("Best customers")


def test_nothing_is_asked_for_when_nothing_changed(shop: Shop) -> None:
    settle(shop)
    cursor = shop.tick(WAREHOUSE).cursor
    assert shop.tick(WAREHOUSE, cursor).run_requests == []
    assert shop.tick(STALE).skip_message == "every list holds the newest audience"


def test_a_segment_that_came_out_the_same_makes_no_list_stale(shop: Shop) -> None:
    settle(shop)
    assert shop.materialize("segment/everybody", "segment/best").success
    assert shop.tick(STALE).skip_message == "every list holds the newest audience"


def test_a_changed_setting_asks_for_that_list_only(shop: Shop) -> None:
    settle(shop)
    write_project(
        shop.folder, {"activations/news.yaml": "{segment: everybody, destination: klaviyo, list_name: New}\n"}
    )
    shop.definitions = build_definitions(shop.folder)
    [request] = shop.tick(STALE).run_requests
    assert asked(request) == {"klaviyo/news"}


def test_a_changed_definition_asks_for_its_segment(shop: Shop) -> None:
    settle(shop)
    cursor = shop.tick(WAREHOUSE).cursor
    write_project(shop.folder, {"segments/best.yaml": "{segment: best, where: {field: score, op: gte, value: 25}}\n"})
    shop.definitions = build_definitions(shop.folder)
    [request] = shop.tick(WAREHOUSE, cursor).run_requests
    assert asked(request) == {"segment/best"}


def test_a_delivery_that_runs_is_waited_for(shop: Shop) -> None:
    settle(shop)
    shop.change([1], score=50)
    shop.tick(WAREHOUSE, shop.tick(WAREHOUSE).cursor)
    shop.materialize("segment/everybody", "segment/best")
    job = shop.definitions.resolve_implicit_global_asset_job_def()
    key = dg.AssetKey(["klaviyo", "news"])
    run = shop.instance.create_run_for_job(job, asset_selection=frozenset({key}), status=dg.DagsterRunStatus.STARTED)
    assert shop.tick(STALE).skip_message == "a delivery to klaviyo is still running"
    shop.instance.report_run_failed(run)
    assert shop.tick(STALE).run_requests != []


def test_a_failed_delivery_is_asked_for_once_until_something_changes(shop: Shop) -> None:
    settle(shop)
    shop.change(range(20, 30), score=0)
    shop.tick(WAREHOUSE, shop.tick(WAREHOUSE).cursor)
    shop.materialize("segment/everybody", "segment/best")
    [first] = shop.tick(STALE).run_requests
    assert not shop.materialize(*asked(first)).success
    [again] = shop.tick(STALE).run_requests
    assert asked(again) == {"klaviyo/best"}
    assert not shop.materialize(*asked(again)).success
    [third] = shop.tick(STALE).run_requests
    assert third.run_key == again.run_key
    shop.change([29], score=40)
    shop.tick(WAREHOUSE, shop.tick(WAREHOUSE).cursor)
    shop.materialize("segment/everybody", "segment/best")
    [fourth] = shop.tick(STALE).run_requests
    assert fourth.run_key != again.run_key


@pytest.mark.parametrize(
    ("trigger", "sensors", "schedules"),
    [("on_change", True, True), ("schedule", False, True), ("manual", False, False)],
)
def test_the_trigger_decides_who_starts_a_delivery(
    folder: object, shop: Shop, trigger: str, sensors: bool, schedules: bool
) -> None:
    text = (
        f"{{segment: best, destination: klaviyo, trigger: {trigger}, schedule: {{cadence: weekly, weekday: friday}}}}\n"
    )
    write_project(
        shop.folder, {"activations/best.yaml": text, "activations/news.yaml": text.replace("best", "everybody")}
    )
    definitions = build_definitions(shop.folder)
    names = {sensor.name for sensor in definitions.sensors or ()}
    assert (STALE in names) is sensors
    assert {each.name for each in definitions.schedules or ()} == (
        {"klaviyo_weekly_on_friday_at_0600"} if schedules else set()
    )


@pytest.mark.parametrize(
    ("name", "cron", "lists"),
    [
        ("klaviyo_daily_at_0600", "0 6 * * *", {"klaviyo/news", "segment/everybody"}),
        ("klaviyo_hourly_at_15", "15 * * * *", {"klaviyo/best", "segment/best"}),
    ],
)
def test_schedules_ask_for_their_lists_on_the_newest_day(shop: Shop, name: str, cron: str, lists: set[str]) -> None:
    # A quarter to midnight in Greenwich is tomorrow in Paris.
    at = datetime(2026, 11, 20, 23, 45, tzinfo=UTC)
    schedule = shop.definitions.resolve_schedule_def(name)
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "Europe/Paris")
    repository = shop.definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=shop.instance, scheduled_execution_time=at, repository_def=repository
    ) as context:
        [request] = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-11-21"
    job = shop.definitions.resolve_job_def(f"{name}_job")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == lists
    result = job.execute_in_process(instance=shop.instance, partition_key=newest_day())
    assert result.success

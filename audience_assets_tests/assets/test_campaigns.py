"""Campaigns in Dagster: lineage, recipients with their control, lists that never hold it, and their schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import sqlalchemy as sa

from audience_assets import build_definitions
from audience_assets.assets.campaign_schedules import delivery_number, not_due
from audience_assets.project.campaigns import CampaignSchedule
from audience_assets.runtime import Runtime
from audience_assets_tests.assets.shop import PEOPLE, Shop, address, write_project
from audience_assets_tests.assets.test_delivery import checks, told

SPRING = """
name: Spring
include: [everybody]
exclude: [best]
sub_audiences:
  - name: Ten
    where: {field: score, op: lte, value: 10}
    groups:
      - {name: control, percent: 20, control: true}
      - {name: Socks, percent: 80, destinations: [klaviyo, second]}
remaining:
  groups: [{name: Shirts, percent: 100, destinations: [klaviyo]}]
schedule: {type: recurring, cadence: daily, at: "09:00", start: 2026-03-02, end: {after: 3}}
launch: 2026-03-04
"""
SECOND = """
  second:
    type: klaviyo
    api_key: {env: KLAVIYO_API_KEY}
    base_url: {env: SECOND_BASE_URL}
    account: second
    tries: 1
    default_activation:
      service: klaviyo.subscription_list
      mapping: {identifiers: {email: email}}
      consent: {import_history: true, consent_at: {email: consent_at}}
"""
TEN = {address(number) for number in range(1, 11)}


@pytest.fixture
def campaign(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The shop with a campaign; nobody answers at its second destination."""
    monkeypatch.setenv("SECOND_BASE_URL", "http://127.0.0.1:9")
    text = (shop.folder / "destinations.yaml").read_text()
    write_project(shop.folder, {"campaigns/spring.yaml": SPRING, "destinations.yaml": text + SECOND})
    shop.definitions = build_definitions(shop.folder, retries=dg.RetryPolicy(max_retries=0))
    yield shop


def recipients(folder: Path, campaign: str) -> dict[int, str | None]:
    """User -> group, None for the control."""
    with Runtime.open(folder) as runtime, runtime.engine.connect() as connection:
        table = runtime.state.recipient(campaign, "integer")
        rows = connection.execute(sa.select(table.c.user_key, table.c.group_name, table.c.is_control))
        return {row.user_key: None if row.is_control else row.group_name for row in rows}


def test_lineage_goes_from_segments_over_the_campaign_to_the_lists_of_its_groups(campaign: Shop) -> None:
    dg.Definitions.validate_loadable(campaign.definitions)
    specs = {spec.key.to_user_string(): spec for spec in campaign.definitions.resolve_all_asset_specs()}
    deps = {key: {dep.asset_key.to_user_string() for dep in spec.deps} for key, spec in specs.items()}
    assert deps["campaign/spring"] == {"warehouse/customers", "segment/everybody", "segment/best"}
    lists = {key for key in specs if "spring__" in key}
    assert deps["campaign_delivery/spring"] == lists
    assert lists == {
        "klaviyo/spring__ten__socks__klaviyo",
        "second/spring__ten__socks__second",
        "klaviyo/spring__remaining__shirts__klaviyo",
    }
    assert all(deps[key] == {"campaign/spring", "warehouse/customers"} for key in lists)
    assert "| Ten | control | 20 % | nobody: control |" in (specs["campaign/spring"].description or "")


def test_a_destination_that_fails_does_not_undo_another_and_nobody_in_control_is_sent(campaign: Shop) -> None:
    result = campaign.materialize(
        "campaign/spring",
        "klaviyo/spring__ten__socks__klaviyo",
        "second/spring__ten__socks__second",
        "klaviyo/spring__remaining__shirts__klaviyo",
    )
    assert not result.success
    assert [event.step_key for event in result.get_step_failure_events()] == ["second__spring__ten__socks__second"]
    assert "could not be reached" in told(result, "second__spring__ten__socks__second")
    groups = recipients(campaign.folder, "spring")
    control = {address(user) for user, group in groups.items() if group is None}
    assert len(groups) == 19 and len(control) == 2 and control < TEN
    assert campaign.members("Spring_Socks") == TEN - control
    assert campaign.members("Spring_Shirts") == {address(number) for number in range(11, 20)}
    evaluated = checks(result)
    assert evaluated["campaign/spring:not_empty"] and not evaluated["campaign/spring:control"]
    summary = campaign.newest("campaign_delivery/spring").metadata["lists"]
    assert isinstance(summary, dg.TableMetadataValue)
    names = ("group", "destination", "state", "customers", "rows", "waiting", "shrink")
    assert [tuple(row.data[name] for name in names) for row in summary.records] == [
        ("Ten: Socks", "klaviyo", "delivered", 8, 8, 0, 0),
        ("Ten: Socks", "second", "failed", 8, 0, 8, 0),
        ("Remaining: Shirts", "klaviyo", "delivered", 9, 9, 0, 0),
    ]
    numbers = campaign.numbers("campaign_delivery/spring")
    assert (numbers["customers"], numbers["rows"], numbers["waiting"]) == (25, 17, 8)
    assert (numbers["lists_delivered"], numbers["lists_stopped_or_failed"]) == (2, 1)
    assert "could not be reached" in numbers["summary"]
    assert "shop-customers.com" not in repr(campaign.newest("campaign_delivery/spring"))


def test_a_delivery_tells_how_many_customers_became_rows_and_why_others_did_not(campaign: Shop) -> None:
    campaign.change([12, 13], email="  ")
    campaign.change([14], email=address(15))
    campaign.change([16], email="no address")
    campaign.materialize("campaign/spring", "klaviyo/spring__remaining__shirts__klaviyo")
    numbers = campaign.numbers("klaviyo/spring__remaining__shirts__klaviyo")
    assert (numbers["customers"], numbers["rows"], numbers["shrink"], numbers["expansion"]) == (9, 5, 4, 0)
    table = campaign.newest("klaviyo/spring__remaining__shirts__klaviyo").metadata["shrink_by_reason"]
    assert isinstance(table, dg.TableMetadataValue)
    assert {row.data["why"]: row.data["customers"] for row in table.records} == {
        "no email": 2,
        "the same email as another": 1,
        "refused: invalid_email": 1,
    }


def test_metadata_tell_sizes_and_groups_and_nobody(campaign: Shop) -> None:
    campaign.materialize("campaign/spring")
    numbers = campaign.numbers("campaign/spring")
    assert (numbers["recipients"], numbers["control"], numbers["treated"]) == (19, 2, 17)
    assert (numbers["included"], numbers["excluded"], numbers["held_out"]) == (PEOPLE, 11, 0)
    table = campaign.newest("campaign/spring").metadata["groups"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [(row.data["group"], row.data["people"]) for row in table.records] == [
        ("control", 2),
        ("Socks", 8),
        ("Shirts", 9),
    ]
    assert f"`{'█' * 19}{'░' * 5}` Socks 8 (klaviyo, second)" in numbers["summary"]
    assert f"`{'█' * 5}{'░' * 19}` control 2 (control, sent nothing)" in numbers["summary"]
    assert "shop-customers.com" not in repr(campaign.newest("campaign/spring"))


def version(shop: Shop) -> str:
    return (shop.newest("campaign/spring").tags or {})["dagster/data_version"]


def test_recipients_that_stay_the_same_have_the_same_version(campaign: Shop) -> None:
    campaign.materialize("campaign/spring")
    before = version(campaign)
    campaign.materialize("campaign/spring")
    assert version(campaign) == before
    campaign.change([3], score=25)
    campaign.materialize("campaign/spring")
    assert version(campaign) != before


def test_the_warehouse_sensor_leaves_campaigns_to_their_schedule(campaign: Shop) -> None:
    targets = campaign.definitions.resolve_sensor_def("warehouse_changes").targets
    assert "campaign" not in repr(targets)
    names = {sensor.name for sensor in campaign.definitions.sensors or ()}
    assert "second_stale_lists" not in names and "klaviyo_stale_lists" in names


def run_requests(shop: Shop, at: datetime) -> Any:
    schedule, repository = (
        shop.definitions.resolve_schedule_def("campaign_spring"),
        shop.definitions.get_repository_def(),
    )
    with dg.build_schedule_context(
        instance=shop.instance, scheduled_execution_time=at, repository_def=repository
    ) as context:
        return schedule.evaluate_tick(context)


def test_a_recurring_campaign_asks_for_its_deliveries_and_ends(campaign: Shop) -> None:
    schedule = campaign.definitions.resolve_schedule_def("campaign_spring")
    assert schedule.cron_schedule == "0 9 * * *"
    paris = ZoneInfo("Europe/Paris")
    answers = [run_requests(campaign, datetime(2026, 3, day, 9, tzinfo=paris)) for day in range(1, 7)]
    asked = [[request.partition_key for request in each.run_requests or ()] for each in answers]
    assert asked == [[], ["2026-03-02"], ["2026-03-03"], ["2026-03-04"], [], []]
    assert answers[0].skip_message == "the campaign begins on 2026-03-02"
    assert answers[5].skip_message == "the campaign has had its 3 deliveries"
    job = campaign.definitions.resolve_job_def("campaign_spring_job")
    keys = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert keys == {
        "campaign/spring",
        "klaviyo/spring__ten__socks__klaviyo",
        "second/spring__ten__socks__second",
        "klaviyo/spring__remaining__shirts__klaviyo",
    }


def schedule(**said: Any) -> CampaignSchedule:
    return CampaignSchedule.model_validate(said)


@pytest.mark.parametrize(
    ("said", "at", "due"),
    [
        (schedule(start="2026-03-02"), "2026-03-01T09:00", False),
        (schedule(start="2026-03-02"), "2026-03-02T09:00", True),
        (schedule(start="2026-03-02"), "2027-03-02T09:00", False),
        (schedule(type="recurring", start="2026-03-02", end={"on": "2026-03-10"}), "2026-03-10T09:00", True),
        (schedule(type="recurring", start="2026-03-02", end={"on": "2026-03-10"}), "2026-03-11T09:00", False),
        (schedule(type="recurring", start="2026-03-02"), "2030-01-01T09:00", True),
    ],
)
def test_when_a_campaign_is_due(said: CampaignSchedule, at: str, due: bool) -> None:
    assert (not_due(said, datetime.fromisoformat(at).replace(tzinfo=UTC)) is None) is due


@pytest.mark.parametrize(
    ("cadence", "at", "number"),
    [
        ("daily", "2026-03-02T09:00", 1),
        ("daily", "2026-03-31T09:00", 30),
        ("weekly", "2026-03-03T09:00", 1),
        ("weekly", "2026-03-10T09:00", 2),
        ("hourly", "2026-03-02T00:15", 1),
        ("hourly", "2026-03-03T01:15", 26),
        # The clocks go forward in the night of the 29th: that day has 23 hours.
        ("hourly", "2026-03-30T00:15", 28 * 24),
    ],
)
def test_deliveries_are_counted_from_the_start(cadence: str, at: str, number: int) -> None:
    said = schedule(type="recurring", cadence=cadence, weekday="tuesday", start="2026-03-02")
    tick = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("Europe/Paris"))
    assert delivery_number(said, date(2026, 3, 2), tick) == number


@pytest.mark.parametrize("state", ["draft", "archived"])
def test_a_draft_or_an_archived_campaign_is_shown_and_nothing_delivers_it(campaign: Shop, state: str) -> None:
    (campaign.folder / "campaigns/spring.yaml").write_text(f"{SPRING}state: {state}\n")
    definitions = build_definitions(campaign.folder)
    dg.Definitions.validate_loadable(definitions)
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert {key for key in specs if "spring" in key} == {"campaign/spring"}
    graph = definitions.resolve_asset_graph()
    assert not graph.get(dg.AssetKey(["campaign", "spring"])).is_executable
    assert state in (specs["campaign/spring"].description or "").lower()
    assert "campaign_spring" not in {schedule.name for schedule in definitions.schedules or ()}

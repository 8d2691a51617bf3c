"""The job that compares a destination's lists with their ledgers."""

from __future__ import annotations

from typing import Any

import dagster as dg

from audience_assets_tests.assets.shop import PEOPLE, Shop, address


def compare(shop: Shop, *, apply: bool = False) -> dg.ExecuteInProcessResult:
    config = {f"reconcile__klaviyo__{name}": {"config": {"apply": apply}} for name in ("news", "best")}
    return shop.definitions.resolve_job_def("reconcile_klaviyo").execute_in_process(
        instance=shop.instance, run_config={"ops": config}, raise_on_error=False
    )


def observed(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """List -> what was observed of it."""
    events = [event.event_specific_data for event in result.all_events if event.is_asset_observation]
    observations = [each.asset_observation for each in events if hasattr(each, "asset_observation")]
    return {
        each.asset_key.path[-1]: {name: value.value for name, value in each.metadata.items()} for each in observations
    }


def take_off(shop: Shop, number: int) -> None:
    shop.account.finish_jobs()
    target, profile = shop.account.list_named("News"), shop.account.find(address(number))
    assert profile is not None and target.remove(profile.number)


def test_every_list_that_was_delivered_is_compared(shop: Shop) -> None:
    shop.materialize("segment/everybody", "klaviyo/news")
    shop.members("News")
    before = shop.writes()
    result = compare(shop)
    assert result.success
    counts = observed(result)
    assert set(counts) == {"news"}, "the other list does not exist yet"
    assert (counts["news"]["at_vendor"], counts["news"]["in_both"]) == (PEOPLE, PEOPLE)
    assert shop.writes() == before


def test_nothing_starts_a_comparison_by_itself(shop: Shop) -> None:
    jobs = {schedule.job_name for schedule in shop.definitions.schedules or []}
    jobs |= {target.job_name for sensor in shop.definitions.sensors or [] for target in sensor.targets}
    assert "reconcile_klaviyo" not in jobs


def test_a_run_tells_of_nobody_by_name(shop: Shop) -> None:
    shop.materialize("segment/everybody", "klaviyo/news")
    take_off(shop, 7)
    result = compare(shop, apply=True)
    assert result.success
    assert "@" not in "".join(str(event) for event in result.all_events)

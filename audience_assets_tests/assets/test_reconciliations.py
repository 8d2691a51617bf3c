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


def observed(shop: Shop, name: str) -> dict[str, Any] | None:
    """What was last observed of a list."""
    records = shop.instance.fetch_observations(dg.AssetKey(["klaviyo", name]), limit=1).records
    found = records[0].asset_observation if records else None
    return {key: value.value for key, value in found.metadata.items()} if found else None


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
    counts = observed(shop, "news")
    assert counts is not None
    assert (counts["at_vendor"], counts["in_both"]) == (PEOPLE, PEOPLE)
    assert observed(shop, "best") is None, "that list does not exist yet"
    assert shop.writes() == before


def test_nothing_starts_a_comparison_by_itself(shop: Shop) -> None:
    repository = shop.definitions.get_repository_def()
    started = {each.job_name for each in repository.schedule_defs}
    started |= {target.job_name for each in repository.sensor_defs for target in each.targets}
    assert started
    assert "reconcile_klaviyo" in repository.job_names
    assert "reconcile_klaviyo" not in started


def test_a_run_tells_of_nobody_by_name(shop: Shop) -> None:
    shop.materialize("segment/everybody", "klaviyo/news")
    take_off(shop, 7)
    result = compare(shop, apply=True)
    assert result.success
    assert "@" not in "".join(str(event) for event in result.all_events)

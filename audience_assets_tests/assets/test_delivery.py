"""Lists kept equal to their audience by Dagster runs, over HTTP and on a real warehouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from audience_assets import build_definitions
from audience_assets.sandbox.faults import Action, Fault
from audience_assets_tests.assets.shop import FILES, PEOPLE, Shop, address, newest_day, write_project

BEST = {address(number) for number in range(20, PEOPLE + 1)}


def failure(result: dg.ExecuteInProcessResult, step: str) -> dg.DagsterEvent:
    [event] = [event for event in result.get_step_failure_events() if event.step_key == step]
    return event


def told(result: dg.ExecuteInProcessResult, step: str) -> str:
    """What the failed step says."""
    data = failure(result, step).step_failure_data
    assert data.user_failure_data is not None
    return data.user_failure_data.description or ""


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    evaluations = result.get_asset_check_evaluations()
    return {f"{each.asset_key.to_user_string()}:{each.check_name}": each.passed for each in evaluations}


def test_lists_hold_their_audience(shop: Shop) -> None:
    result = shop.materialize()
    assert result.success
    assert shop.members("News") == {address(number) for number in range(1, PEOPLE + 1)}
    assert shop.members("Best customers") == BEST
    assert checks(result) == {
        "segment/everybody:not_empty": True,
        "segment/everybody:identifiers": True,
        "segment/best:not_empty": True,
        "segment/best:size_change": True,
        "segment/best:identifiers": True,
        "klaviyo/news:list_guard": True,
        "klaviyo/news:rejection_rate": True,
        "klaviyo/best:list_guard": True,
        "klaviyo/best:rejection_rate": True,
    }


def test_metadata_are_numbers_without_members(shop: Shop) -> None:
    shop.materialize()
    shop.change([30], score=0)
    shop.change([5], score=99)
    shop.materialize()
    segment, delivered = shop.numbers("segment/best"), shop.numbers("klaviyo/best")
    assert (segment["dagster/row_count"], segment["entered"], segment["left"]) == (11, 1, 1)
    assert segment["share_percent"] == round(100 * 11 / PEOPLE, 2)
    assert segment["dagster/table_name"] == "audience_assets_segment_best"
    assert (delivered["added"], delivered["removed"], delivered["members"], delivered["rejected"]) == (1, 1, 11, 0)
    assert delivered["unchanged"] == 10
    assert delivered["calls"] > 0 and delivered["seconds"] > 0
    table = shop.newest("klaviyo/best").metadata["plan"]
    assert isinstance(table, dg.TableMetadataValue)
    plan = {row.data["operation"]: row.data["planned"] for row in table.records}
    assert plan == {"add": 1, "update": 0, "remove": 1}


def test_nothing_of_a_member_or_a_secret_is_in_the_event_log(shop: Shop) -> None:
    shop.change([7], email="no address at all")
    shop.materialize()
    shop.change(range(1, 25), score=0)
    result = shop.materialize()
    assert not result.success
    log = "\n".join(repr(record) for record in shop.instance.all_logs(result.run_id))
    assert "list_guard" in log
    for forbidden in ("shop-customers.com", "no address at all", "pk_never"):
        assert forbidden not in log


def test_an_older_day_is_refused_before_anything_is_sent(shop: Shop) -> None:
    shop.materialize("segment/best")
    # Two days: around midnight a run for yesterday may have been asked for yesterday.
    older = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    result = shop.materialize("klaviyo/best", partition=older)
    assert not result.success
    assert "is not the newest sync day" in told(result, "klaviyo__best")
    assert len(shop.sandbox.requests) == 0


def test_a_guard_stops_the_plan_and_an_approval_lets_it_through(shop: Shop) -> None:
    shop.materialize()
    sent = shop.writes()
    shop.change(range(20, 30), score=0)
    stopped = shop.materialize()
    assert not stopped.success
    assert checks(stopped)["klaviyo/best:list_guard"] is False
    # It was not reached, and has nothing to complain of.
    assert checks(stopped)["klaviyo/best:rejection_rate"] is True
    text = told(stopped, "klaviyo__best")
    assert "max_removed_percent" in text and "Nothing was sent" in text
    assert shop.writes() == sent
    data = failure(stopped, "klaviyo__best").step_failure_data.user_failure_data
    assert data is not None
    name = data.metadata["approve"].value
    assert str(name) in text
    again = shop.materialize("klaviyo/best", ops={"klaviyo__best": {"config": {"approve": name}}})
    assert again.success
    assert shop.members("Best customers") == {address(30)}


def test_a_guard_is_not_tried_again(shop: Shop) -> None:
    shop.materialize()
    shop.change(range(20, 30), score=0)
    result = shop.materialize()
    retried = [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert retried == []


def test_a_wrong_key_is_told_and_not_tried_again(shop: Shop) -> None:
    shop.materialize("segment/best")
    shop.sandbox.faults.add(Fault(Action.ERROR_BEFORE, status=401))
    result = shop.materialize("klaviyo/best")
    assert not result.success
    assert "HTTP 401" in told(result, "klaviyo__best")


def test_an_outage_fails_the_step_and_the_next_run_finishes(shop: Shop) -> None:
    shop.materialize("segment/best")
    outage = Fault(Action.ERROR_BEFORE, endpoint="bulk_subscribe_profiles", status=503)
    shop.sandbox.faults.add(outage)
    assert not shop.materialize("klaviyo/best").success
    shop.sandbox.faults.clear()
    assert shop.materialize("klaviyo/best").success
    assert shop.members("Best customers") == BEST


def test_an_unchanged_list_makes_no_write(shop: Shop) -> None:
    shop.materialize()
    sent = shop.writes()
    assert shop.materialize().success
    assert shop.writes() == sent
    assert shop.numbers("klaviyo/best")["state"] == "unchanged"


def test_a_schedule_checks_the_words_of_the_consent_history(shop: Shop) -> None:
    consents = (
        "  consents:\n    type: events\n    role: consent\n    table: consents\n    key: id\n    timestamp: at\n"
        "    fields: {customer: {type: integer}, channel: {type: text}, status: {type: text}}\n"
        "relationships: [{from: customers, to: consents, kind: has_many, on: {id: customer}}]\n"
    )
    read = FILES["destinations.yaml"].replace("consent: {", "consent: {history: {model: consents}, ")
    write_project(shop.folder, {"project.yaml": FILES["project.yaml"] + consents, "destinations.yaml": read})
    with shop.engine.begin() as connection:
        columns = "id INTEGER, customer INTEGER, channel TEXT, status TEXT, at TEXT"
        connection.exec_driver_sql(f"CREATE TABLE consents ({columns})")
        connection.exec_driver_sql("INSERT INTO consents VALUES (1, 1, 'text', 'unsubscribed', '2026-01-01')")
    definitions = build_definitions(shop.folder)
    job = definitions.resolve_job_def("klaviyo_hourly_at_15_job")
    result = job.execute_in_process(instance=shop.instance, partition_key=newest_day())
    (found,) = [check for check in result.get_asset_check_evaluations() if check.check_name == "words"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "no list reads entries of the channel 'text' (1)" in str(found.metadata["unread"].value)

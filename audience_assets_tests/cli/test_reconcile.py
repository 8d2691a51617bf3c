"""`reconcile` over HTTP: what it counts, what it changes and how it ends."""

from __future__ import annotations

import pytest

from audience_assets.runtime import Runtime
from audience_assets.sync.lease import hold_lease
from audience_assets_tests.cli.conftest import Run, Vendor, addresses, answer

AT_ONCE = ("--settling", "0min")


def take_off(vendor: Vendor, how_many: int) -> list[str | None]:
    """Somebody takes the first members off the list."""
    vendor.account.finish_jobs()
    target = vendor.account.list_named("Newsletter")
    gone = list(vendor.account.members(target.id))[:how_many]
    for profile in gone:
        target.remove(profile.number)
    return [profile.email for profile in gone]


def members(vendor: Vendor) -> set[str | None]:
    vendor.account.finish_jobs()
    return {profile.email for profile in vendor.account.members(vendor.account.list_named("Newsletter").id)}


def to_add(run: Run) -> int:
    """How many the next sync would add; contacts that Klaviyo does not know are among them."""
    added: int = answer(run("plan", "newsletter", "--json"))["counts"]["add"]
    return added


@pytest.fixture
def delivered(run: Run, vendor: Vendor) -> Vendor:
    assert run("sync", "newsletter").exit_code == 0
    vendor.account.finish_jobs()
    return vendor


def test_an_equal_list_is_well(run: Run, delivered: Vendor) -> None:
    found = run("reconcile", "newsletter", "--json", *AT_ONCE)
    assert found.exit_code == 0, found.output
    counts = answer(found)
    assert counts["at_vendor"] == counts["in_both"] == len(members(delivered)) > 100
    assert (counts["missing"], counts["not_ours"], counts["applied"]) == (0, 0, False)


def test_drift_fails_until_it_is_applied_and_the_next_sync_mends_it(run: Run, delivered: Vendor) -> None:
    before, planned = members(delivered), to_add(run)
    take_off(delivered, 3)
    told = run("reconcile", "newsletter", *AT_ONCE)
    assert told.exit_code == 1
    assert "reconcile newsletter --apply" in told.stdout
    assert not addresses(told.output)
    assert to_add(run) == planned, "only counted"

    applied = run("reconcile", "newsletter", "--apply", *AT_ONCE)
    assert applied.exit_code == 0, applied.output
    assert "decides about 3 members anew" in applied.stdout
    assert to_add(run) == planned + 3
    assert run("sync", "newsletter").exit_code == 0
    assert members(delivered) == before


def test_who_opted_out_is_not_opted_in_again(run: Run, delivered: Vendor) -> None:
    before = members(delivered)
    [gone] = take_off(delivered, 1)
    assert gone is not None
    delivered.account.opt_out(gone)
    run("reconcile", "newsletter", "--apply", *AT_ONCE)
    assert run("sync", "newsletter").exit_code == 0
    assert members(delivered) == before - {gone}
    consent = delivered.account.consent(gone)
    assert consent is not None and consent.status == "UNSUBSCRIBED"
    reasons = answer(run("rejections", "newsletter", "--json"))["reasons"]
    assert "vendor_opt_out" in {each["reason"] for each in reasons}


def test_who_was_just_delivered_is_not_judged_by_default(run: Run, delivered: Vendor) -> None:
    take_off(delivered, 3)
    found = run("reconcile", "newsletter", "--json")
    assert found.exit_code == 0
    assert (answer(found)["missing"], answer(found)["undecided"]) == (0, 3)


def test_status_shows_the_last_comparison(run: Run, delivered: Vendor) -> None:
    assert "reconciled" not in run("status").stdout
    take_off(delivered, 2)
    run("reconcile", "newsletter", *AT_ONCE)
    assert "reconciled" in run("status").stdout
    compared = {each["activation"]: each["reconciled"] for each in answer(run("status", "--json"))}
    assert (compared["newsletter"]["missing"], compared["vips"]) == (2, None)


def test_a_list_that_is_being_written_is_not_compared(run: Run, delivered: Vendor, project: object) -> None:
    with (
        Runtime.open(str(project)) as runtime,
        hold_lease(runtime.engine, runtime.state.destination_list, "newsletter"),
    ):
        result = run("reconcile", "newsletter", "--apply")
    assert result.exit_code == 1
    assert "is running" in result.stderr


def test_mistakes_are_told_without_a_traceback(run: Run, vendor: Vendor) -> None:
    never = run("reconcile", "newsletter")
    assert never.exit_code == 1
    assert "nothing was ever delivered" in never.stderr
    unknown = run("reconcile", "newsleter")
    assert unknown.exit_code == 2
    assert "newsletter" in unknown.stderr
    assert run("reconcile", "newsletter", "--settling", "5m").exit_code == 2

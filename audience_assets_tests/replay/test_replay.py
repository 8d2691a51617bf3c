"""Forty trading days of a real shop: after each, the vendor's three lists are what pandas says they should be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.sandbox.klaviyo import KlaviyoAccount
from audience_assets.sync import GuardTripped, run_sync
from audience_assets_tests.replay.expected import audiences
from audience_assets_tests.replay.folder import SEGMENTS, Delivery
from audience_assets_tests.replay.replay import KLAVIYO, Day, Replay, open_replay
from audience_assets_tests.replay.retail import CUSTOMERS, Retail, address
from audience_assets_tests.replay.vendor import is_absent, is_objector
from audience_assets_tests.vendors import klaviyo
from audience_assets_tests.vendors.every import SERVICES

# From March, when people have lapsed, come back, and one has spent exactly 500.
FIRST, DAYS = 70, 40
DAYS_AT_ALL = 5
OBJECTION = FIRST + 2


@pytest.mark.long
def test_forty_days_of_a_real_shop(retail: Retail, url: str, tmp_path: Path) -> None:
    with open_replay(retail, url, tmp_path / "project", objection_day=OBJECTION) as replay:
        replay.load(FIRST - 1)
        days = [replay.play(number) for number in range(FIRST, FIRST + DAYS)]
        assert {day.number: day.mismatches for day in days if day.mismatches} == {}
        assert_eventful(days)
        assert_consents_kept(replay)
        assert_nothing_left_to_write(replay, days[-1].number)


def assert_eventful(days: list[Day]) -> None:
    """The days had everything in them that could go wrong."""
    for name in SEGMENTS:
        list_ = Delivery(KLAVIYO, name)
        wanted = [day.wanted[name] for day in days]
        left = {customer for before, after in pairwise(wanted) for customer in before - after}
        assert left, f"{name}: somebody left"
        assert name == "lapsed" or left & wanted[-1], f"{name}: somebody left and came back"
        assert sum(day.reports[list_].absent for day in days), f"{name}: somebody is unknown to Klaviyo"
    refused = [row for day in days for report in day.reports.values() for row in report.rejections]
    assert {row.reason for row in refused} == {"vendor_opt_out"}


def assert_consents_kept(replay: Replay) -> None:
    account = account_of(replay)
    ordered = replay.retail.lines
    ordered = ordered[ordered["day"] <= OBJECTION]
    objectors = {int(each) for each in ordered["customer_id"].dropna().unique() if is_objector(int(each))}
    held = {consent.status for each in objectors if (consent := account.consent(address(each)))}
    assert held == {"UNSUBSCRIBED"}, "nobody who objected was opted in again"
    assert not any(change.escalated for change in account.audit), "nobody was unsubscribed from everything"
    assert [each for each in replay.retail.customers if is_absent(each) and account.find(address(each))] == []


def account_of(replay: Replay) -> KlaviyoAccount:
    found = replay.vendors.accounts[KLAVIYO]
    assert isinstance(found, klaviyo.SubscriptionList)
    return found.account


def assert_nothing_left_to_write(replay: Replay, day: int) -> None:
    writes = len(account_of(replay).audit)
    reports = replay.deliver(day)
    assert sum(report.added + report.removed for report in reports.values()) == 0
    assert len(account_of(replay).audit) == writes


@pytest.mark.long
def test_the_same_days_at_all_vendors_at_once(retail: Retail, sqlite: str, tmp_path: Path) -> None:
    """In one project; whoever objects does so at every vendor, and each makes of it what it makes of it."""
    root = tmp_path / "project"
    with open_replay(retail, sqlite, root, objection_day=OBJECTION, services=list(SERVICES)) as replay:
        replay.load(FIRST - 1)
        before = {name: set(account.people()) for name, account in replay.vendors.accounts.items()}
        days = [replay.play(number) for number in range(FIRST, FIRST + DAYS_AT_ALL)]
        assert {day.number: day.mismatches for day in days if day.mismatches} == {}
        assert all(sum(r.added + r.removed for r in day.reports.values()) for day in days), "every day had changes"
        objectors = {address(customer) for customer in replay.retail.customers if is_objector(customer)}
        assert_consents_kept(replay)
        for name, account in replay.vendors.accounts.items():
            carries_consent = account.kind().services[name].carries_consent
            assert carries_consent or account.opted_out() == objectors, f"{name}: who objected has, and nobody else"
            created = set(account.people()) - before[name]
            creates = account.kind().services[name].creates_contacts
            assert bool(created) == creates, f"{name}: {created} were created"
            assert created <= {address(customer) for customer in replay.retail.customers if is_absent(customer)}
        assert_nothing_left_to_write(replay, days[-1].number)


def test_a_day_whose_load_breaks_is_stopped_before_the_first_call(retail: Retail, sqlite: str, tmp_path: Path) -> None:
    with open_replay(retail, sqlite, tmp_path / "project", objection_day=-1) as replay:
        replay.load(FIRST - 1)
        replay.play(FIRST)
        assert_stopped_until_mended(replay, FIRST + 1, sa.true(), ["fewer than min_size", "would be removed"])
        assert_stopped_until_mended(replay, FIRST + 2, CUSTOMERS.c.customer_id % 2 == 0, ["would be removed"])


def assert_stopped_until_mended(replay: Replay, day: int, lost: sa.ColumnElement[bool], reasons: Sequence[str]) -> None:
    """Load a day without its `lost` customers: nothing is sent. Then with them: the lists are right again."""
    replay.load(day)
    replay.vendors.wait_until(replay.retail.end_of(day))
    calls = replay.calls
    with replay.runtime.engine.begin() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(CUSTOMERS).where(lost)).mappings()]
        connection.execute(CUSTOMERS.delete().where(lost))
    for name in SEGMENTS:
        replay.refresh(name, day)
        with pytest.raises(GuardTripped) as stopped:
            run_sync(replay.runtime, Delivery(KLAVIYO, name).activation, as_of=replay.retail.end_of(day))
        violations = stopped.value.plan.violations
        assert len(violations) == len(reasons)
        assert all(reason in text for reason, text in zip(reasons, violations, strict=True))
    assert replay.calls == calls

    with replay.runtime.engine.begin() as connection:
        connection.execute(CUSTOMERS.insert(), rows)
    wanted = audiences(replay.paid, replay.retail, day)
    assert replay.compare(wanted, replay.deliver(day), day) == {}

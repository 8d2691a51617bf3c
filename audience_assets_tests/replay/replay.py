"""A shop's year, replayed: each day is loaded, its segments computed, its lists delivered, read back and compared."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pandas as pd

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sync import SyncReport, run_sync
from audience_assets_tests.conftest import unsafe_but_fast
from audience_assets_tests.replay import folder
from audience_assets_tests.replay.expected import Audiences, audiences, paid_lines
from audience_assets_tests.replay.folder import SEGMENTS, Delivery, deliveries
from audience_assets_tests.replay.retail import Retail, address, create_tables, load_days
from audience_assets_tests.replay.vendor import Vendors, is_absent, is_objector, open_vendors
from audience_assets_tests.vendors.account import Objection

KLAVIYO = "klaviyo.subscription_list"
# A list's consent jobs are done before the next list is synced, and every night's syncs within the hour.
BETWEEN_LISTS = timedelta(minutes=20)
Reports = Mapping[Delivery, SyncReport]


@dataclass(frozen=True)
class Day:
    """One trading day's outcome. `mismatches`: list -> addresses that are in it and should not be, or the reverse."""

    number: int
    reports: Reports
    mismatches: Mapping[Delivery, set[str]]
    wanted: Audiences
    calls: int  # vendor calls of the syncs
    seconds: float  # loading, segments and syncs; not the comparison

    @property
    def changes(self) -> int:
        return sum(report.added + report.removed for report in self.reports.values())


@dataclass
class Replay:
    """One warehouse and accounts at vendors. Days are played in order; on `objection_day` the objectors object."""

    runtime: Runtime
    vendors: Vendors
    retail: Retail
    objection_day: int
    paid: pd.DataFrame = field(init=False)
    # Who should be in each list, and who was when they objected.
    _held: dict[Delivery, set[int]] = field(default_factory=dict)
    _gone: dict[Delivery, set[int]] = field(default_factory=dict)
    _loaded: int = -1

    def __post_init__(self) -> None:
        self.paid = paid_lines(self.retail)
        create_tables(self.runtime.engine)
        self._first_order = self.retail.lines.dropna(subset="customer_id").groupby("customer_id")["day"].min()

    def load(self, day: int) -> None:
        """Load everything up to a trading day into the warehouse."""
        load_days(self.runtime.engine, self.retail, self._loaded + 1, day)
        self._loaded = day

    def play(self, day: int) -> Day:
        """Load a day, deliver its lists after its end, and compare them."""
        started = time.perf_counter()
        self.load(day)
        self.vendors.wait_until(self.retail.end_of(day))
        calls = self.calls
        reports = self.deliver(day)
        seconds, calls = time.perf_counter() - started, self.calls - calls
        wanted = audiences(self.paid, self.retail, day)
        mismatches = self.compare(wanted, reports, day)
        if day == self.objection_day:
            self.vendors.object(self.retail)
            self._gone = {delivery: set(filter(is_objector, held)) for delivery, held in self._held.items()}
        return Day(day, reports, mismatches, wanted, calls, seconds)

    def deliver(self, day: int) -> Reports:
        partition = f"{self.retail.days[day]:%Y-%m-%d}"
        reports = {}
        for segment in SEGMENTS:
            self.refresh(segment, day)
            for service in self.vendors.accounts:
                delivery = Delivery(service, segment)
                as_of = self.retail.end_of(day)
                reports[delivery] = run_sync(self.runtime, delivery.activation, as_of=as_of, partition=partition)
            self.vendors.clock.advance(BETWEEN_LISTS.total_seconds())
        return reports

    def refresh(self, segment: str, day: int) -> None:
        runtime = self.runtime
        refresh_segment(runtime.engine, runtime.state, runtime.project, segment, self.retail.end_of(day))

    @property
    def calls(self) -> int:
        """Requests the vendors have seen, ours that read lists back included."""
        return sum(self.vendors.sandbox.requests.counts().values())

    def compare(self, wanted: Audiences, reports: Reports, day: int) -> dict[Delivery, set[str]]:
        """Read every list back; list -> addresses that are in it and should not be, or the reverse."""
        found = {
            delivery: self._compare(delivery, reports[delivery], wanted[delivery.segment], day)
            for delivery in deliveries(self.vendors.accounts)
        }
        return {delivery: addresses for delivery, addresses in found.items() if addresses}

    def _compare(self, delivery: Delivery, report: SyncReport, wanted: set[int], day: int) -> set[str]:
        self._held[delivery] = expected = self._expected(delivery, wanted, day)
        found = self.vendors.members(delivery.service, report.list_id) if report.list_id else set()
        return found ^ {address(customer) for customer in expected}

    def _expected(self, delivery: Delivery, wanted: set[int], day: int) -> set[int]:
        """Of the wanted, whom this vendor's list can hold."""
        account = self.vendors.accounts[delivery.service]
        creates = account.kind().services[delivery.service].creates_contacts
        able = {customer for customer in wanted if creates or not is_absent(customer)}
        match account.objection:
            case Objection.NOTHING:
                return able
            case Objection.ENDS:
                return able - self._gone.get(delivery, set())
            case Objection.BARS:
                refused = {customer for customer in able if self._may_not_enter(customer, day)}
                return able - (refused - self._held.get(delivery, set()))

    def _may_not_enter(self, customer: int, day: int) -> bool:
        """Opted out at the vendor since they gave the consent we know of."""
        return is_objector(customer) and day > self.objection_day >= self._first_order[customer]


@contextmanager
def open_replay(
    retail: Retail, url: str, root: Path, *, objection_day: int, services: Sequence[str] = (KLAVIYO,)
) -> Iterator[Replay]:
    """A project folder in `root` over the empty warehouse at `url`, and vendors; the environment leads to them."""
    with open_vendors(retail, services) as vendors:
        folder.make_warehouse(url)
        environment = {folder.URL: url, **folder.environment(vendors)}
        project = folder.write_project(root, vendors)
        with (
            patch.dict(os.environ, environment),
            Runtime.open(project, destinations=vendors.destinations()) as runtime,
        ):
            runtime.now = vendors.now
            unsafe_but_fast(runtime.engine)
            yield Replay(runtime, vendors, retail, objection_day)

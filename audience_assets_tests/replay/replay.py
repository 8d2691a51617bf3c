"""A shop's year, replayed: each day is loaded, its segments computed, its lists delivered, read back and compared."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sync import SyncReport, run_sync
from audience_assets_tests.replay import folder
from audience_assets_tests.replay.expected import Audiences, audiences, paid_lines
from audience_assets_tests.replay.retail import Retail, address, create_tables, load_days
from audience_assets_tests.replay.vendor import KEY, Vendor, is_absent, is_objector, open_vendor

# A list's consent jobs are done before the next list is synced, and every night's syncs within the hour.
BETWEEN_LISTS = timedelta(minutes=20)


@dataclass(frozen=True)
class Day:
    """One trading day's outcome. `mismatches`: list -> addresses that are in it and should not be, or the reverse."""

    number: int
    reports: dict[str, SyncReport]
    mismatches: dict[str, set[str]]
    wanted: Audiences
    calls: int  # vendor calls of the three syncs
    seconds: float  # loading, segments and syncs; not the comparison

    @property
    def changes(self) -> int:
        return sum(report.added + report.removed for report in self.reports.values())


@dataclass
class Replay:
    """One warehouse and one vendor account. Days are played in order; `objection_day` is when the objectors object."""

    runtime: Runtime
    vendor: Vendor
    retail: Retail
    objection_day: int
    paid: pd.DataFrame = field(init=False)
    _held: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in folder.SEGMENTS})
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
        self.vendor.wait_until(self.retail.end_of(day))
        calls = self.calls
        reports = self.deliver(day)
        seconds, calls = time.perf_counter() - started, self.calls - calls
        wanted = audiences(self.paid, self.retail, day)
        mismatches = self.compare(wanted, reports, day)
        if day == self.objection_day:
            self.vendor.object(self.retail)
        return Day(day, reports, mismatches, wanted, calls, seconds)

    def deliver(self, day: int) -> dict[str, SyncReport]:
        as_of = self.retail.end_of(day)
        reports = {}
        for name in folder.SEGMENTS:
            self.refresh(name, day)
            reports[name] = run_sync(self.runtime, name, as_of=as_of, partition=f"{self.retail.days[day]:%Y-%m-%d}")
            self.vendor.clock.advance(BETWEEN_LISTS.total_seconds())
        return reports

    def refresh(self, segment: str, day: int) -> None:
        runtime = self.runtime
        refresh_segment(runtime.engine, runtime.state, runtime.project, segment, self.retail.end_of(day))

    @property
    def calls(self) -> int:
        """Requests the vendor has seen, ours that read lists back included."""
        return sum(self.vendor.sandbox.requests.counts().values())

    def compare(self, wanted: Audiences, reports: Mapping[str, SyncReport], day: int) -> dict[str, set[str]]:
        """Read every list back; list -> addresses that are in it and should not be, or the reverse."""
        found = {name: self._compare(name, reports[name], customers, day) for name, customers in wanted.items()}
        return {name: addresses for name, addresses in found.items() if addresses}

    def _compare(self, name: str, report: SyncReport, wanted: set[int], day: int) -> set[str]:
        refused = {customer for customer in wanted if self._may_not_enter(customer, day)}
        expected = {each for each in wanted if not is_absent(each)} - (refused - self._held[name])
        self._held[name] = expected
        found = self.vendor.members(report.list_id) if report.list_id else set()
        return found ^ {address(customer) for customer in expected}

    def _may_not_enter(self, customer: int, day: int) -> bool:
        """Opted out at Klaviyo since they gave the consent we know of; whoever is in a list stays until they leave."""
        return is_objector(customer) and day > self.objection_day >= self._first_order[customer]


@contextmanager
def open_replay(retail: Retail, url: str, root: Path, *, objection_day: int) -> Iterator[Replay]:
    """A project folder in `root` over the empty warehouse at `url`, and a vendor; the environment leads to both."""
    with open_vendor(retail) as vendor:
        if database := sa.make_url(url).database if url.startswith("sqlite") else None:
            Path(database).touch()
        environment = {folder.URL: url, folder.KEY: KEY, folder.BASE_URL: vendor.sandbox.url}
        with patch.dict(os.environ, environment), Runtime.open(folder.write_project(root)) as runtime:
            runtime.now = vendor.now
            yield Replay(runtime, vendor, retail, objection_day)

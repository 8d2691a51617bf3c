"""A campaign over a real shop's days: who is a recipient, and in which group, compared with pandas and with memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import sqlalchemy as sa

from audience_assets.campaigns.refresh import CampaignRun, refresh_campaign
from audience_assets.campaigns.results import CampaignResults, campaign_results
from audience_assets.project.load import load_project
from audience_assets.runtime import Runtime
from audience_assets.sync import run_sync
from audience_assets_tests.replay import folder
from audience_assets_tests.replay.expected import audiences, paid_lines
from audience_assets_tests.replay.folder import Delivery
from audience_assets_tests.replay.retail import Retail, address, create_tables, load_days
from audience_assets_tests.replay.vendor import Vendors, is_absent, open_vendors

SERVICE = "iterable.contact_list"
NAME = "season"
WINDOW_DAYS = 28
CAMPAIGN = """\
name: Season
include: [active]
exclude: [big_spenders]
holdout: null
split: {{method: {method}}}
sub_audiences:
  - name: Abroad
    where: {{field: country, op: is_not, value: United Kingdom}}
    groups:
      - {{name: control, percent: 20, control: true}}
      - {{name: Cups, percent: 80, destinations: [{destination}]}}
remaining:
  name: Kingdom
  groups:
    - {{name: control, percent: {control}, control: true}}
    - {{name: Bunting, percent: {treated}, destinations: [{destination}]}}
    - {{name: Lights, percent: {treated}, destinations: [{destination}]}}
delivery:
  {destination}:
    service: {service}
    mapping: {{identifiers: {{email: email}}}}
    guard: {{max_removed_percent: 100}}
launch: {launch}
measurement:
  window_days: {window}
  conversion: {{model: transactions, order_field: invoice_no}}
  value: {{model: transactions, field: amount}}
  items: {{model: transactions, field: quantity}}
"""
Groups = dict[int, tuple[str, str]]  # customer -> sub-audience and group


@dataclass(frozen=True)
class CampaignDay:
    """One day's computation, and everything about it that is not as it should be."""

    number: int
    run: CampaignRun
    came_back: int
    wrong: set[int]  # recipients who should be none, or the reverse
    moved: set[int]  # who has another group than the first they were given
    misdelivered: set[str]  # addresses that are in a list and should not be, or the reverse
    leaked: set[str]  # addresses of the control in any list
    seconds: float

    @property
    def is_sound(self) -> bool:
        return not (self.wrong or self.moved or self.misdelivered or self.leaked)


@dataclass
class CampaignReplay:
    """One warehouse, one vendor and one campaign. Days are played in order."""

    runtime: Runtime
    vendors: Vendors
    retail: Retail
    root: Path
    launch: int
    method: str
    paid: pd.DataFrame = field(init=False)
    given: Groups = field(default_factory=dict)  # the first group of everybody ...
    given_on: dict[int, int] = field(default_factory=dict)  # ... and the day they were given it
    _present: set[int] = field(default_factory=set)
    _former: set[int] = field(default_factory=set)
    _loaded: int = -1

    def __post_init__(self) -> None:
        self.paid = paid_lines(self.retail)
        create_tables(self.runtime.engine)
        countries = self.retail.lines.dropna(subset="customer_id").drop_duplicates("customer_id")
        self._countries = dict(zip(countries["customer_id"].astype(int), countries["country"], strict=True))

    def change_shares(self, control: int) -> None:
        """Say another percentage for the control of the kingdom, the rest to its treatments in equal parts."""
        declare(self.root, self.retail, self.launch, self.method, control)
        self.runtime.project = load_project(self.root, destinations=self.runtime.destinations)

    def play(self, day: int) -> CampaignDay:
        """Load up to a day, compute and deliver the campaign at its end, and compare."""
        started = time.perf_counter()
        self.load(day)
        self.vendors.wait_until(self.retail.end_of(day))
        runtime = self.runtime
        run = refresh_campaign(runtime.engine, runtime.state, runtime.project, NAME, self.retail.end_of(day))
        lists = self._deliver(day)
        seconds = time.perf_counter() - started
        groups = self.recipients()
        found = self._compare(day, run, groups, lists, seconds)
        self._former |= self._present - groups.keys()
        self._present = set(groups)
        return found

    def load(self, day: int) -> None:
        load_days(self.runtime.engine, self.retail, self._loaded + 1, day)
        self._loaded = day

    def recipients(self) -> Groups:
        table = self.runtime.state.recipient(NAME, "integer")
        with self.runtime.engine.connect() as connection:
            rows = connection.execute(sa.select(table)).all()
        return {row.user_key: (row.sub_audience, row.group_name) for row in rows}

    def results(self, day: int) -> CampaignResults:
        runtime = self.runtime
        return campaign_results(runtime.engine, runtime.state, runtime.project, NAME, self.retail.end_of(day))

    def expected(self, day: int) -> dict[int, str]:
        """Customer -> sub-audience, by pandas."""
        wanted = audiences(self.paid, self.retail, day)
        recipients = wanted["active"] - wanted["big_spenders"]
        return {each: "Kingdom" if self._countries[each] == "United Kingdom" else "Abroad" for each in recipients}

    def _deliver(self, day: int) -> dict[tuple[str, str], set[str]]:
        """Sync every list; sub-audience and group -> its members at the vendor."""
        found = {}
        for name, each in self.runtime.project.effective.items():
            audience = self.runtime.project.audience(each.audience)
            if audience.campaign == NAME:
                report = run_sync(self.runtime, name, as_of=self.retail.end_of(day), partition=str(day))
                members = self.vendors.members(SERVICE, report.list_id) if report.list_id else set()
                found[str(audience.sub_audience), str(audience.group)] = members
        return found

    def _compare(
        self, day: int, run: CampaignRun, groups: Groups, lists: dict[tuple[str, str], set[str]], seconds: float
    ) -> CampaignDay:
        expected = self.expected(day)
        self.given_on = {**dict.fromkeys(groups, day), **self.given_on}
        wrong = set(expected) ^ set(groups) | {each for each in groups if groups[each][0] != expected.get(each)}
        moved = {each for each, group in groups.items() if self.given.setdefault(each, group) != group}
        misdelivered, leaked = set[str](), set[str]()
        for key, members in lists.items():
            its = {address(each) for each, group in groups.items() if group == key and not is_absent(each)}
            misdelivered |= its ^ members
            leaked |= members & {address(each) for each, group in self.given.items() if group[1] == "control"}
        came_back = len(self._former & (groups.keys() - self._present))
        return CampaignDay(day, run, came_back, wrong, moved, misdelivered, leaked, seconds)


def declare(root: Path, retail: Retail, launch: int, method: str, control: int) -> None:
    """Write the campaign, launched at the start of a trading day."""
    text = CAMPAIGN.format(
        method=method,
        destination=Delivery(SERVICE, "").destination,
        service=SERVICE,
        control=control,
        treated=(100 - control) / 2,
        launch=f"{retail.days[launch]:%Y-%m-%d}",
        window=WINDOW_DAYS,
    )
    (root / "campaigns").mkdir(exist_ok=True)
    (root / "campaigns" / f"{NAME}.yaml").write_text(text)


@contextmanager
def open_campaign_replay(
    retail: Retail, url: str, root: Path, *, launch: int, method: str = "exact", services: Sequence[str] = (SERVICE,)
) -> Iterator[CampaignReplay]:
    """A project with the campaign over the empty warehouse at `url`, and a vendor that knows all but the absent."""
    with open_vendors(retail, services) as vendors:
        environment = {folder.URL: url, **folder.environment(vendors)}
        project = folder.write_project(root, vendors)
        folder.make_warehouse(url)
        declare(project, retail, launch, method, 10)
        with (
            patch.dict(os.environ, environment),
            Runtime.open(project, destinations=vendors.destinations()) as runtime,
        ):
            runtime.now = vendors.now
            yield CampaignReplay(runtime, vendors, retail, project, launch, method)


def expected_results(replay: CampaignReplay) -> dict[tuple[str, str], dict[str, float]]:
    """By pandas, of each sub-audience and group: recipients, purchasers, orders, thousandths (of revenue) and items.

    Of everybody who was given a group before the window's end, whatever became of them.
    """
    retail, launch = replay.retail, pd.Timestamp(replay.retail.days[replay.launch])
    end = launch + timedelta(days=WINDOW_DAYS)
    people = pd.DataFrame(
        [(each, *group, replay.given_on[each]) for each, group in replay.given.items()],
        columns=["customer_id", "part", "group", "day"],
    )
    given_at = people["day"].map({day: retail.end_of(day).replace(tzinfo=None) for day in people["day"].unique()})
    people = people[given_at < end]
    lines = replay.paid[(replay.paid["invoiced_at"] >= launch) & (replay.paid["invoiced_at"] < end)]
    bought = lines.groupby("customer_id").agg(
        orders=("invoice_no", "nunique"), thousandths=("thousandths", "sum"), items=("quantity", "sum")
    )
    joined = people.merge(bought, on="customer_id", how="left").fillna(0)
    sums = joined.groupby(["part", "group"]).agg(
        recipients=("customer_id", "size"),
        purchasers=("orders", lambda orders: (orders > 0).sum()),
        orders=("orders", "sum"),
        thousandths=("thousandths", "sum"),
        items=("items", "sum"),
    )
    rows = {column: sums[column].tolist() for column in sums}
    return {
        (str(key[0]), str(key[1])): {str(column): float(values[number]) for column, values in rows.items()}
        for number, key in enumerate(sums.index.tolist())
    }

"""The demo from beginning to end."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.engine import Engine

from audience_assets.cli.words import duration
from audience_assets.demo.day import ShopDay, change_the_day
from audience_assets.demo.generate import SEED
from audience_assets.demo.pipeline import Pipeline
from audience_assets.demo.show import day_table, lists_table, people_table, reasons_table, totals
from audience_assets.demo.tables import CUSTOMERS
from audience_assets.demo.vendors import Account, shop_accounts
from audience_assets.demo.workspace import Workspace, environment, variables
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sync import latest_syncs


@dataclass(frozen=True)
class Stage:
    """A demo that has been played, its sandbox still up. `variables` lead to it from the environment."""

    workspace: Workspace
    sandbox: Sandbox
    accounts: Sequence[Account]
    variables: Mapping[str, str]


@contextmanager
def demo(folder: Path, *, customers: int, console: Console, port: int = 0) -> Iterator[Stage]:
    """Play the shop's two deliveries with a day between them; the sandbox stays up inside the context.

    Raises AudienceError when a delivery fails.
    """
    workspace = Workspace(folder.resolve())
    workspace.create()
    now = _now()
    with console.status(f"inventing {customers:,} customers"):
        started = time.monotonic()
        engine = workspace.generate(now=now, customers=customers)
    console.print(f"A shop with {customers:,} customers, invented in {duration(time.monotonic() - started)}.")
    accounts = shop_accounts()
    try:
        with Sandbox([account.vendor for account in accounts], port=port) as sandbox:
            at_vendors = variables(sandbox, accounts)
            led = workspace.environment() | at_vendors
            with environment(led), workspace.settings_at_hand(at_vendors):
                with console.status("telling the vendors' sandboxes of them"):
                    known = seed_vendors(engine, accounts, now=now, seed=SEED)
                console.print(_knowledge(sandbox, accounts, known), "", sep="\n")
                _Story(workspace, engine, accounts, console).play()
                yield Stage(workspace, sandbox, accounts, led)
    finally:
        engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def seed_vendors(engine: Engine, accounts: Sequence[Account], *, now: datetime, seed: int) -> list[int]:
    """Make most customers known to each vendor, as they are on the first morning; how many."""
    with engine.connect() as connection:
        customers = connection.execute(sa.select(CUSTOMERS).order_by(CUSTOMERS.c.customer_id)).all()
    return [account.seed(customers, now, _dice(account, seed)) for account in accounts]


def live_the_day(day: ShopDay, accounts: Sequence[Account], *, seed: int) -> None:
    """What people do at the vendors, added to the day's events."""
    for account in accounts:
        day.events += account.live(day, _dice(account, seed))


def _dice(account: Account, seed: int) -> random.Random:
    return random.Random(f"{account.vendor.name} {seed}")  # noqa: S311 - the same every time


def _knowledge(sandbox: Sandbox, accounts: Sequence[Account], known: Sequence[int]) -> str:
    told = ", ".join(f"{each.vendor.title} {number:,}" for each, number in zip(accounts, known, strict=True))
    return f"Local vendors on {sandbox.url}, and how many of them each knows: {told}."


@dataclass(frozen=True)
class _Story:
    workspace: Workspace
    engine: Engine
    accounts: Sequence[Account]
    console: Console

    def play(self) -> None:
        with Pipeline.open(self.workspace.project) as pipeline:
            first = self._deliver(pipeline)
            self._tell("First delivery", first)
            with self.console.status("a day goes by"):
                self._date_back()
                day = change_the_day(self.engine, now=_now(), seed=SEED)
                live_the_day(day, self.accounts, seed=SEED)
            self.console.print(day_table(day), "")
            examples = [(each.vendor.title, example) for each in self.accounts for example in each.examples(day)]
            before = [example.look() for _, example in examples]
            self._tell("Delivery after that day", self._deliver(pipeline))
            self.console.print(people_table(examples, before, [example.look() for _, example in examples]), "")

    def _date_back(self) -> None:
        """Have the first delivery's consent calls made a day ago.

        Somebody whom we subscribed minutes ago is not taken out before Klaviyo has had the time to put them in.
        """
        with Runtime.open(self.workspace.project) as runtime, runtime.engine.begin() as connection:
            logged_at = runtime.state.consent_log.c.logged_at
            for moment in connection.scalars(sa.select(logged_at).distinct()).all():
                change = sa.update(logged_at.table).where(logged_at == moment)
                connection.execute(change.values(logged_at=moment - timedelta(days=1)))

    def _deliver(self, pipeline: Pipeline) -> list[dict[str, Any]]:
        """Everything through Dagster; the reports in the order of the vendors."""
        with self.console.status("Dagster computes the segments and delivers the lists"):
            pipeline.materialize_everything()
        for account in self.accounts:
            account.settle()
        with Runtime.open(self.workspace.project) as runtime:
            places = {name: place for place, name in enumerate(runtime.project.destinations)}
            reports = [sync["report"] for sync in latest_syncs(runtime).values() if sync["report"]]
            return sorted(reports, key=lambda report: places[report["destination"]])

    def _tell(self, title: str, reports: Sequence[Mapping[str, Any]]) -> None:
        self.console.print(lists_table(title, reports), *totals(reports), "", sep="\n")
        self.console.print(reasons_table(reports), "")

"""The demo from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.engine import Engine

from audience_assets.cli.words import duration
from audience_assets.demo.day import Day, change_the_day
from audience_assets.demo.generate import SEED
from audience_assets.demo.pipeline import Pipeline
from audience_assets.demo.show import day_table, lists_table, people_table, reasons_table, totals
from audience_assets.demo.vendor import Standing, account_of, new_sandbox, seed_vendor, standing
from audience_assets.demo.workspace import Workspace, environment
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount
from audience_assets.sync import latest_syncs


@contextmanager
def demo(folder: Path, *, customers: int, console: Console, port: int = 0) -> Iterator[Sandbox]:
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
    try:
        with new_sandbox(port) as sandbox, environment(workspace.environment(sandbox.url)):
            with console.status("telling Klaviyo's sandbox of most of them"):
                known = seed_vendor(engine, account_of(sandbox), now=now, seed=SEED)
            console.print(f"A Klaviyo on {sandbox.url} that knows {known:,} of them.\n")
            _Story(workspace, engine, account_of(sandbox), console).play()
            yield sandbox
    finally:
        engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


@dataclass(frozen=True)
class _Story:
    workspace: Workspace
    engine: Engine
    account: KlaviyoAccount
    console: Console

    def play(self) -> None:
        pipeline = Pipeline.open(self.workspace.project)
        try:
            first = self._deliver(pipeline)
            self._tell("First delivery", first)
            with self.console.status("a day goes by"):
                self._date_back()
                day = change_the_day(self.engine, self.account, now=_now(), seed=SEED)
            self.console.print(day_table(day), "")
            before = [standing(self.account, example.address) for example in day.examples]
            self._tell("Delivery after that day", self._deliver(pipeline))
            self.console.print(people_table(day.examples, before, self._after(day)), "")
        finally:
            pipeline.close()

    def _date_back(self) -> None:
        """Have the first delivery's consent calls made a day ago.

        Somebody whom we subscribed minutes ago is not taken out before Klaviyo has had the time to put them in.
        """
        with Runtime.open(self.workspace.project) as runtime, runtime.engine.begin() as connection:
            logged_at = runtime.state.consent_log.c.logged_at
            for moment in connection.scalars(sa.select(logged_at).distinct()).all():
                change = sa.update(logged_at.table).where(logged_at == moment)
                connection.execute(change.values(logged_at=moment - timedelta(days=1)))

    def _deliver(self, pipeline: Pipeline) -> dict[str, dict[str, Any]]:
        """Everything through Dagster; activation -> report."""
        with self.console.status("Dagster computes the segments and delivers the lists"):
            pipeline.materialize_everything()
        self.account.finish_jobs()
        with Runtime.open(self.workspace.project) as runtime:
            return {name: sync["report"] for name, sync in latest_syncs(runtime).items() if sync["report"]}

    def _tell(self, title: str, reports: dict[str, dict[str, Any]]) -> None:
        self.console.print(lists_table(title, reports), *totals(reports), "", sep="\n")
        self.console.print(reasons_table(reports), "")

    def _after(self, day: Day) -> Iterator[str]:
        for example in day.examples:
            now = standing(self.account, example.address)
            yield f"{now}{self._moved(example.new_address)}"

    def _moved(self, address: str | None) -> str:
        if address is None:
            return ""
        there: Standing = standing(self.account, address)
        return f"; {address}: {there}"

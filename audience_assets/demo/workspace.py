"""The demo's folder: a copy of the embedded project, its warehouse, and Dagster's home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from dotenv import set_key
from sqlalchemy.engine import Engine

from audience_assets.demo.generate import generate_warehouse
from audience_assets.demo.vendors import Account
from audience_assets.errors import AudienceError
from audience_assets.project.files import PROJECT as SETTINGS
from audience_assets.sandbox import Sandbox
from audience_assets.warehouse.engine import open_warehouse

FOLDER = ".demo"
PROJECT_NAME = "demo_shop"
WAREHOUSE = "sqlite:///warehouse.sqlite"


@dataclass(frozen=True)
class Workspace:
    """Where a demo lives. Everything in it is made anew by `create`."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def dagster_home(self) -> Path:
        return self.folder / "dagster_home"

    def create(self) -> None:
        """Empty the folder and copy the embedded project into it.

        Raises AudienceError where a folder stands in the way that no demo made.
        """
        self._insist_on_a_demo()
        for part in (self.project, self.dagster_home):
            shutil.rmtree(part, ignore_errors=True)
        with resources.as_file(resources.files("audience_assets.demo") / "project") as embedded:
            shutil.copytree(embedded, self.project)
        settings = self.project / SETTINGS
        # Its calendar of deliveries begins today, so that every day in it is a delivered one.
        settings.write_text(f"{settings.read_text()}\nfirst_sync_day: {datetime.now(UTC):%Y-%m-%d}\n")
        make_dagster_home(self.dagster_home)

    def _insist_on_a_demo(self) -> None:
        if not self.project.exists():
            return
        settings = self.project / SETTINGS
        if not settings.is_file() or f"project: {PROJECT_NAME}\n" not in settings.read_text(errors="replace"):
            raise AudienceError(f"{self.project} is not a demo's and would be lost. Name another folder with --folder.")

    def generate(self, *, now: datetime, customers: int) -> Engine:
        """Fill the warehouse and return it, opened."""
        engine = open_warehouse(WAREHOUSE, root=self.project)
        generate_warehouse(engine, now=now, customers=customers)
        return engine

    @contextmanager
    def settings_at_hand(self, values: Mapping[str, str]) -> Iterator[None]:
        """Have commands in the project's folder find the sandbox: `.env` holds `values` for a while."""
        file = self.project / ".env"
        file.touch(mode=0o600)
        for name, value in values.items():
            set_key(file, name, value)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """What Dagster reads from the environment."""
        return {"AUDIENCE_PROJECT": str(self.project), "DAGSTER_HOME": str(self.dagster_home)}


def variables(sandbox: Sandbox, accounts: Sequence[Account]) -> dict[str, str]:
    """What the project's destinations read from the environment."""
    found: dict[str, str] = {}
    for account in accounts:
        found |= account.environment(sandbox.url_of(account.vendor.name))
    return found


def make_dagster_home(home: Path) -> None:
    """A folder for Dagster's history with settings for one machine; an existing one is kept as it is."""
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text((resources.files("audience_assets.demo") / "dagster.yaml").read_text())


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

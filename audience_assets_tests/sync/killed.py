"""The entry points of processes that are killed in the middle of a sync."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audience_assets.runtime import Runtime
from audience_assets.sync import run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.sync.vendor import now
from audience_assets_tests.sync.world import OPEN_GUARD, make_runtime


def sync_until(folder: str, url: str, statement: int, *, consent: bool = False, naming: str = "") -> None:
    """Run one sync and kill this process before its n-th SQL statement, or after the commit it stands for.

    With `naming` only statements that name this table count.
    """
    engine = open_warehouse(url)
    _die_at(engine, statement, naming)
    run_sync(make_runtime(Path(folder), engine, guard=OPEN_GUARD, consent=consent), "vips", as_of=now())


def sync_project_until(
    folder: str, url: str, environment: dict[str, str], activation: str, moment: datetime, statement: int
) -> None:
    """The same at a moment of the vendor's, with a project declared in a folder and its secrets in the environment."""
    os.environ.update(environment)
    with Runtime.open(folder, url=url) as runtime:
        runtime.now = lambda: moment
        _die_at(runtime.engine, statement)
        run_sync(runtime, activation, as_of=moment)


def _die_at(engine: sa.Engine, statement: int, naming: str = "") -> None:
    executed = 0

    def count(_connection: Any, _cursor: Any = None, text: str = "", *_: Any) -> None:
        nonlocal executed
        executed += naming in text
        if executed == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "before_cursor_execute", count)
    sa.event.listen(engine, "commit", count)

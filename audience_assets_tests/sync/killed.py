"""Entry points of processes that are killed in the middle of a sync."""

from __future__ import annotations

import os
import signal
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
    executed = 0

    def count(_connection: Any, _cursor: Any = None, text: str = "", *_: Any) -> None:
        nonlocal executed
        executed += naming in text
        if executed == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "before_cursor_execute", count)
    sa.event.listen(engine, "commit", count)
    run_sync(make_runtime(Path(folder), engine, guard=OPEN_GUARD, consent=consent), "vips", as_of=now())


def sync_project(root: str) -> None:
    """Sync the list `vips` of a project's folder, in a process that somebody else will kill."""
    with Runtime.open(root) as runtime:
        run_sync(runtime, "vips", as_of=now())

"""The entry point of a process that shares a quota with others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from audience_assets.destinations.base import RateWindow
from audience_assets.warehouse.slots import SqliteSlotLog


def reserve_many(path: str, threads: int, calls: int, window: RateWindow, patience: float) -> None:
    """Take a slot for each of `calls` at once; `patience` is the longest wait in seconds."""
    log = SqliteSlotLog(Path(path))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: log.reserve("key", (window,), patience), range(calls)))

"""Measuring one piece of work: wall and CPU seconds, and peak memory above where it started."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    wall: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0
    # Of the whole process at its peak.
    resident_mb: float = 0.0

    def __str__(self) -> str:
        return f"{self.wall:8.2f} s wall {self.cpu:8.2f} s CPU {self.peak_mb:8.0f} MB"


def _cpu(pid: int | str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise LookupError(key)


@contextmanager
def measured(server: int | None = None) -> Iterator[Cost]:
    """CPU of this process and, if given, of the database server's process that does the work (Linux)."""
    cost = Cost()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    base = _status("VmRSS:")
    wall, cpu = time.perf_counter(), _cpu("self")
    cpu_server = _cpu(server) if server else 0.0
    yield cost
    cost.wall = time.perf_counter() - wall
    cost.cpu = _cpu("self") - cpu + (_cpu(server) - cpu_server if server else 0.0)
    cost.resident_mb = _status("VmHWM:")
    cost.peak_mb = cost.resident_mb - base


def apart(work: Callable[Parameters, Result], /, *arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
    """Do the work in a fresh process that has imported everything: no memory, threads or caches of other work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(work, *arguments, **options).result()

"""A list of a million members at each vendor: the first sync and a day on which one in a hundred leaves and enters.

    python -m benchmarks.vendors [--members 1000000] [--service iterable.contact_list ...] [--limits on off]

The whole engine delivers to the vendor's sandbox, which runs in a process of its own, without rate limits and with
them. With limits both sides are on a clock that skips waits (skipping.py), so that hours of a vendor's time pass in
minutes; `time` is that clock's. `--clock real` shows what no such clock can: calls that are late.

The floor is the shortest time the vendor's windows allow for the planned calls: a sync that takes more than 1.05 times
its floor, draws a 429 or needs 300 MB fails the run. Where the floor is less than a minute the work itself takes
longer, and no ratio is held against it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets_tests.vendors import shop
from audience_assets_tests.vendors.every import SERVICES
from benchmarks.skipping import PROCESSES, Shared
from benchmarks.vendor_processes import Sync, Task, address, deliver, serve

MOST, MOST_MB = 1.05, 300
# Below that the vendor's windows are not what takes the time.
SHORTEST_FLOOR_SECONDS = 60
CHUNK = 50_000
DAY_SECONDS = 86_400


@dataclass
class Bench:
    """One vendor's list, its audience, and the twin at the other end of `pipe`."""

    task: Task
    environment: Mapping[str, str]
    shared: Shared
    pipe: Pipe
    runtime: Runtime
    counted: Counter[tuple[str, int]]

    def load(self) -> None:
        """Everybody; who has bought a book is a reader."""
        shop.GUESTS.create(self.runtime.engine)
        people = self.task.members + self.task.leavers
        for first in range(0, people, CHUNK):
            rows = [shop.guest(n, address(n)) for n in range(first, min(first + CHUNK, people))]
            with self.runtime.engine.begin() as connection:
                connection.execute(shop.GUESTS.insert(), rows)

    def readers(self, first: int) -> set[str]:
        """As many as there are members, from a number on."""
        last, books = first + self.task.members, shop.GUESTS.c.books
        runtime = self.runtime
        with runtime.engine.begin() as connection:
            present = shop.GUESTS.c.id.between(first, last - 1)
            connection.execute(shop.GUESTS.update().where(present & (books == 0)).values(books=1))
            connection.execute(shop.GUESTS.update().where(~present & (books == 1)).values(books=0))
        refresh_segment(runtime.engine, runtime.state, runtime.project, shop.SEGMENT, datetime.now(UTC))
        return {address(number) for number in range(first, last)}

    def sync(self, title: str, first: int) -> bool:
        """Sync in a process of its own, compare the vendor's list, print; whether it was fast and lean enough."""
        wanted = self.readers(first)
        ours, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=deliver, args=(self.task, self.environment, self.shared, theirs))
        process.start()
        theirs.close()
        done: Sync = ours.recv()
        process.join()
        calls, throttled = self._calls()
        self.pipe.send("listed")
        listed = self.pipe.recv()
        if done.report.state != "delivered" or len(listed) != len(wanted) or set(listed) != wanted:
            raise SystemExit(f"{self.task.name}, {title}: {done.report.state}, {len(listed)} members at the vendor")
        return self._print(title, done, calls, throttled)

    def _print(self, title: str, done: Sync, calls: Counter[str], throttled: int) -> bool:
        floor = done.report.floor_seconds if self.task.limits else 0.0
        held = floor >= SHORTEST_FLOOR_SECONDS
        ratio = f", floor {floor:,.0f} s, ratio {done.seconds / floor:.3f}" if held else ""
        print(
            f"{self.task.name}, limits {'on' if self.task.limits else 'off'}, {title}: "
            f"{done.report.counts.changes:,} changes, time {done.seconds:,.1f} s{ratio}, 429s {throttled}, "
            f"{done.cost.wall:,.1f} s real, {done.cost.cpu:,.1f} s CPU, peak {done.cost.resident_mb:,.0f} MB"
        )
        told = ", ".join(f"{name} {count:,}" for name, count in sorted(calls.items()))
        print(f"  {sum(calls.values()):,} calls: {told}", flush=True)
        fast = not held or done.seconds <= floor * MOST
        return fast and throttled == 0 and done.cost.resident_mb < MOST_MB

    def _calls(self) -> tuple[Counter[str], int]:
        """Calls by endpoint since the last time, and how many of them were refused as too many."""
        self.pipe.send("calls")
        counts: Counter[tuple[str, int]] = self.pipe.recv()
        new, self.counted = counts - self.counted, counts
        by_endpoint: Counter[str] = Counter()
        for (endpoint, _), count in new.items():
            by_endpoint[endpoint] += count
        return by_endpoint, sum(count for (_, status), count in new.items() if status == 429)


def run(task: Task) -> bool:
    shared = Shared.create()
    pipe, far_end = PROCESSES.Pipe()
    twin = PROCESSES.Process(target=serve, args=(task, shared, far_end), daemon=True)
    twin.start()
    environment = pipe.recv()
    with Runtime.open(task.folder, url=task.warehouse) as runtime:
        bench = Bench(task, environment, shared, pipe, runtime, Counter())
        bench.load()
        good = [bench.sync("first sync", 0)]
        shared.skipped.get_obj().value += DAY_SECONDS
        good.append(bench.sync("1 % churn", task.leavers))
    pipe.send("end")
    twin.join()
    return all(good)


def tasks(given: argparse.Namespace, folder: Path) -> list[Task]:
    variant = {"settings": dict(each.split("=", 1) for each in given.settings)}
    return [
        Task(service, variant, given.members, switch == "on", given.clock == "real", folder / f"{service}-{switch}")
        for service in given.service
        for switch in given.limits
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--service", choices=list(SERVICES), nargs="+", default=list(SERVICES))
    parser.add_argument("--limits", choices=["off", "on"], nargs="+", default=["off", "on"])
    parser.add_argument("--clock", choices=["skipping", "real"], default="skipping")
    parser.add_argument("--settings", default=[], nargs="+", metavar="NAME=VALUE", help="of the destination")
    given = parser.parse_args()
    PROCESSES.set_forkserver_preload(["benchmarks.vendor_processes"])
    with tempfile.TemporaryDirectory(prefix="audience-bench-") as name:
        good = []
        for task in tasks(given, Path(name)):
            task.folder.mkdir()
            started = time.perf_counter()
            good.append(run(task))
            print(f"  {time.perf_counter() - started:,.0f} s with making the vendor and comparing", flush=True)
    if not all(good):
        raise SystemExit(f"slower than {MOST} times the floor, throttled, or more than {MOST_MB} MB")


if __name__ == "__main__":
    main()

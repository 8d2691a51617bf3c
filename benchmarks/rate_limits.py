"""A Klaviyo subscription list delivered by the whole engine against the vendor's real rate limits and the real clock.

    python -m benchmarks.rate_limits [--members 100000] [--leavers 80000] [--latency 0.15]

The sandbox counts calls in fixed windows as Klaviyo documents them (75 a second and 750 a minute for each endpoint)
and answers 429 beyond. It runs in a process of its own, so that it doesn't take CPU from the engine's threads. The
floor is the shortest time those windows allow for the planned calls. A sync that takes more than 1.05 times its floor
or draws one 429 fails the run. Takes about two and a half minutes.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets.sync import SyncReport, run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, KEY, LIST_NAME, USERS, make_runtime

MOST = 1.05


def address(number: int) -> str:
    return f"person{number}@mail{number % 97}.com"


def serve(members: int, latency: float, pipe: Connection) -> None:
    """The sandbox's process: says its address, then answers "counts" and "held" until it is told to end."""
    vendor = KlaviyoSandbox()
    with Sandbox([vendor], latency=latency) as sandbox:
        account = vendor.account("bench", key=KEY)
        account.add_profiles({"email": address(number)} for number in range(members))
        account.create_list(LIST_NAME, "single_opt_in")
        pipe.send(sandbox.url)
        while (asked := pipe.recv()) != "end":
            account.finish_jobs()
            pipe.send(
                sandbox.requests.counts() if asked == "counts" else len(list(account.members(account.lists[0].id)))
            )


class Bench:
    """One list, its audience, and the vendor at the other end of `pipe`."""

    def __init__(self, runtime: Runtime, pipe: Connection) -> None:
        self.runtime = runtime
        self.pipe = pipe
        self.counted: Counter[tuple[str, int]] = Counter()

    def load(self, members: int) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(USERS.insert(), [{"id": n, "email": address(n)} for n in range(members)])

    def set_audience(self, first: int, last: int) -> None:
        segment = self.runtime.state.segment("vips", "integer")
        with self.runtime.engine.begin() as connection:
            connection.execute(segment.delete())
            rows = [{"user_key": n, "entered_at": datetime.now(UTC)} for n in range(first, last)]
            connection.execute(segment.insert(), rows)

    def sync(self, title: str, wanted: int) -> bool:
        """Sync, compare the vendor's list, print; whether it was fast enough and drew no 429."""
        started = time.perf_counter()
        cpu = time.process_time()
        report = run_sync(self.runtime, ACTIVATION, as_of=datetime.now(UTC))
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        calls, throttled = self._calls()
        held = self._ask("held")
        if report.state != "delivered" or held != wanted:
            raise SystemExit(f"{title}: {report.state}, {held} members at the vendor instead of {wanted}")
        return self._print(title, report, wall, cpu, calls, throttled)

    def _print(
        self, title: str, report: SyncReport, wall: float, cpu: float, calls: dict[str, int], throttled: int
    ) -> bool:
        floor = report.floor_seconds
        print(
            f"{title}: {report.counts.changes:,} changes, wall {wall:.2f} s, floor {floor:.2f} s, "
            f"ratio {wall / floor:.3f}, 429s {throttled}, {cpu:.1f} s CPU"
        )
        print("  calls: " + ", ".join(f"{name} {count:,}" for name, count in sorted(calls.items())), flush=True)
        return throttled == 0 and wall <= floor * MOST

    def _calls(self) -> tuple[dict[str, int], int]:
        """Calls by endpoint since the last time, and how many of them were refused as too many."""
        counts = Counter(self._ask("counts"))
        new, self.counted = counts - self.counted, counts
        by_endpoint: Counter[str] = Counter()
        for (endpoint, _), count in new.items():
            by_endpoint[endpoint] += count
        return by_endpoint, sum(count for (_, status), count in new.items() if status == 429)

    def _ask(self, what: str) -> Any:
        self.pipe.send(what)
        return self.pipe.recv()


def run(members: int, leavers: int, latency: float) -> bool:
    pipe, far_end = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(members, latency, far_end), daemon=True)
    process.start()
    folder = Path(tempfile.mkdtemp(prefix="audience-bench-"))
    engine = open_warehouse(f"sqlite:///{folder / 'bench.db'}")
    try:
        bench = Bench(make_runtime(folder, engine, pipe.recv()), pipe)
        bench.load(members)
        bench.set_audience(0, members)
        entered = bench.sync("first sync", members)
        bench.set_audience(leavers, members)
        left = bench.sync("removal", members - leavers)
        pipe.send("end")
        process.join()
    finally:
        engine.dispose()
        shutil.rmtree(folder)
    return entered and left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--leavers", type=int, default=80_000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds the vendor takes for each call")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if not run(given.members, given.leavers, given.latency):
        raise SystemExit(f"slower than {MOST} times the floor, or throttled")


if __name__ == "__main__":
    main()

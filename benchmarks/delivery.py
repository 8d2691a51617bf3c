"""Delivering 100,000 planned rows in batches of 1,000, beside a bare script with eight requests in flight.

    python -m benchmarks.delivery [--rows 100000] [--rounds 5]

Both read rows of five columns from SQLite and post them as JSON with requests; both encode with orjson, and the script
is timed with the standard library's json as well, as most scripts are. The engine also marks each batch sent, durably,
before it leaves, records each answer, passes every call through the rate limiter, and at the end has the ledger.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import requests
import sqlalchemy as sa

from audience_assets.destinations.base import (
    CallEstimate,
    Connection,
    DestinationType,
    Finding,
    Limiter,
    ListRef,
    Member,
    RemoteMember,
    Report,
)
from audience_assets.destinations.http import Answer, Dialect, HttpClient, Patience
from audience_assets.destinations.base import BadBatch
from audience_assets.runtime import Runtime
from audience_assets.sync import run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.state import State
from audience_assets_tests.sync.vendor import CALL, now, plain_destination
from audience_assets_tests.sync.world import OPEN_GUARD, World, make_project
from benchmarks.meter import Cost, measured
from benchmarks.stub import stub

BATCH = 1_000
IN_FLIGHT = 8
DIALECT = Dialect("stub", "x-request-id", lambda answer, endpoint: BadBatch("refused"), lambda answer: None)


class StubService:
    """A list service that posts every batch as it is."""

    def __init__(self, url: str, limiter: Limiter) -> None:
        self._http = HttpClient(url, headers={}, dialect=DIALECT, limiter=limiter, patience=Patience())

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        yield Finding("stub", True, "always")

    def find_list(self, name: str) -> ListRef | None:
        return ListRef("1", name)

    def get_list(self, list_id: str) -> ListRef:
        return ListRef(list_id, "stub")

    def ensure_list(self, name: str) -> ListRef:
        return ListRef("1", name)

    def _post(self, target: ListRef, members: Sequence[Member]) -> Report:
        body = {"list": target.id, "profiles": [{"id": m.identifier, "attributes": m.values} for m in members]}
        answer: Answer = self._http.call(CALL, "POST", "/members", body=body)
        answer.json()
        return Report(calls=1)

    add = update = remove = _post

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        return iter(())

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        return [CallEstimate(CALL, -(-(adds + updates + removes) // BATCH))]


def stub_destination(url: str) -> DestinationType:
    plain = plain_destination(BATCH)
    [spec] = plain.services.values()

    def connect(connection: Connection) -> StubService:
        return StubService(url, connection.limiter)

    changed = {name: getattr(spec, name) for name in spec.__dataclass_fields__} | {"connect": connect}
    return DestinationType("plain", "Stub", plain.settings_model, {spec.name: type(spec)(**changed)}, lambda _: "stub")


@dataclass
class Measurement:
    cost: Cost
    rows: int

    @property
    def rate(self) -> float:
        return self.rows / self.cost.wall


def bare_script(database: Path, url: str, rows: int, encode: Callable[[Any], bytes]) -> Measurement:
    """What one would write by hand: read, encode, post, eight at a time."""
    sessions = threading.local()

    def send(batch: list[tuple[Any, ...]]) -> None:
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
            sessions.session.trust_env = False
        names = ("city", "score", "email")
        profiles = [{"id": row[0], "attributes": dict(zip(names, (row[1], row[2], row[0]), strict=True))} for row in batch]
        answer = sessions.session.post(f"{url}/members", data=encode({"list": "1", "profiles": profiles}), timeout=60)
        answer.raise_for_status()

    engine = open_warehouse(f"sqlite:///{database}")
    with measured() as cost, ThreadPoolExecutor(IN_FLIGHT) as pool, engine.connect() as connection:
        cursor = connection.exec_driver_sql("SELECT email, city, score FROM users ORDER BY id")
        running = []
        while batch := [tuple(row) for row in cursor.fetchmany(BATCH)]:
            running.append(pool.submit(send, batch))
            if len(running) > IN_FLIGHT:
                running.pop(0).result()
        for future in running:
            future.result()
    engine.dispose()
    return Measurement(cost, rows)


def engine_delivery(folder: Path, url: str, rows: int) -> tuple[Measurement, Measurement]:
    """Delivery alone (a ready plan: mark, send, acknowledge, merge), and the whole sync from nothing."""
    engine = open_warehouse(f"sqlite:///{folder / 'bench.sqlite'}")
    project = make_project(folder, "sqlite://", folder / "unused", guard=OPEN_GUARD, consent=False)
    runtime = Runtime(project, engine, State(engine), folder, {"plain": stub_destination(url)})
    times: dict[str, float] = {}
    with measured() as cost:
        started = _wall()
        run_sync(runtime, "vips", as_of=now(), progress=lambda p: times.setdefault(p.phase, _wall() - started))
    whole = Measurement(cost, rows)
    delivery = Cost(cost.wall - times["delivering"], cost.cpu, cost.peak_mb)
    engine.dispose()
    return Measurement(delivery, rows), whole


def _wall() -> float:
    import time

    return time.perf_counter()


def prepare(folder: Path, rows: int) -> Path:
    database = folder / "bench.sqlite"
    engine = open_warehouse(f"sqlite:///{database}")
    project = make_project(folder, "sqlite://", folder / "unused", guard=OPEN_GUARD, consent=False)
    from audience_assets_tests.sync.vendor import PlainVendor

    world = World(Runtime(project, engine, State(engine), folder, {"plain": plain_destination()}), PlainVendor(folder / "v"))
    people = {n: (f"person{n}@example.com", f"a city with a name of some length {n % 997}", n) for n in range(1, rows + 1)}
    world.set_people(people, people)
    engine.dispose()
    return database


def forget(database: Path) -> None:
    """Take the engine's state out of the warehouse, so that the next round is a first sync again."""
    engine = open_warehouse(f"sqlite:///{database}")
    with engine.begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name LIKE 'audience_assets_%' AND type = 'table'")
        for name in [row[0] for row in names]:
            if not name.endswith("segment_vips"):
                connection.exec_driver_sql(f"DELETE FROM {name}")
    engine.dispose()


def compare(latency: float, rows: int, rounds: int) -> None:
    results: dict[str, list[Measurement]] = {}
    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="audience-bench-"))
        database = prepare(folder, rows)
        with stub(latency) as url:
            results.setdefault("script, json", []).append(bare_script(database, url, rows, lambda b: json.dumps(b).encode()))
            results.setdefault("script, orjson", []).append(bare_script(database, url, rows, orjson.dumps))
            delivery, whole = engine_delivery(folder, url, rows)
            results.setdefault("engine, delivery", []).append(delivery)
            results.setdefault("engine, whole sync", []).append(whole)
        shutil.rmtree(folder)
    print(f"{rows:,} rows, stub answers after {latency * 1000:.0f} ms, medians of {rounds}")
    bare = statistics.median(m.rate for m in results["script, json"])
    for name, found in results.items():
        rate = statistics.median(m.rate for m in found)
        cpu, peak = statistics.median(m.cost.cpu for m in found), statistics.median(m.cost.peak_mb for m in found)
        print(f"  {name:20} {rate:9,.0f} rows/s  {rate / bare:5.0%} of the script  {cpu:5.2f} s CPU  {peak:4.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for latency in (0.0, 0.05):
        compare(latency, given.rows, given.rounds)


if __name__ == "__main__":
    main()

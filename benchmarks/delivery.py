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
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import requests

from audience_assets.destinations.base import (
    BadBatch,
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
from audience_assets.runtime import Runtime
from audience_assets.sync import Progress, run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.state import State
from audience_assets_tests.sync.vendor import CALL, PlainVendor, now, plain_destination
from audience_assets_tests.sync.world import OPEN_GUARD, World, make_project
from benchmarks.meter import Cost, measured
from benchmarks.stub import stub

BATCH = 1_000
IN_FLIGHT = 8
DIALECT = Dialect("stub", "x-request-id", lambda *_: BadBatch("refused"), lambda _: None)


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
        values = ((row[0], (row[1], row[2], row[0])) for row in batch)
        profiles = [{"id": email, "attributes": dict(zip(names, row, strict=True))} for email, row in values]
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

    def note(progress: Progress) -> None:
        times.setdefault(progress.phase, time.perf_counter() - started)

    with measured() as cost:
        started = time.perf_counter()
        run_sync(runtime, "vips", as_of=now(), progress=note)
    whole = Measurement(cost, rows)
    delivery = Cost(cost.wall - times["delivering"], cost.cpu, cost.peak_mb)
    engine.dispose()
    return Measurement(delivery, rows), whole


def prepare(folder: Path, rows: int) -> Path:
    database = folder / "bench.sqlite"
    engine = open_warehouse(f"sqlite:///{database}")
    project = make_project(folder, "sqlite://", folder / "unused", guard=OPEN_GUARD, consent=False)
    world = World(
        Runtime(project, engine, State(engine), folder, {"plain": plain_destination()}), PlainVendor(folder / "v")
    )
    city = "a city with a name of some length {}"
    people = {n: (f"person{n}@example.com", city.format(n % 997), n) for n in range(1, rows + 1)}
    world.set_people(people, people)
    engine.dispose()
    return database


def compare(latency: float, rows: int, rounds: int) -> None:
    results: dict[str, list[Measurement]] = {}

    def bare(name: str, encode: Callable[[Any], bytes]) -> None:
        results.setdefault(f"script, {name}", []).append(bare_script(database, url, rows, encode))

    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="audience-bench-"))
        database = prepare(folder, rows)
        with stub(latency) as url:
            bare("json", lambda body: json.dumps(body).encode())
            bare("orjson", orjson.dumps)
            delivery, whole = engine_delivery(folder, url, rows)
            results.setdefault("engine, delivery", []).append(delivery)
            results.setdefault("engine, whole sync", []).append(whole)
        shutil.rmtree(folder)
    print(f"{rows:,} rows, stub answers after {latency * 1000:.0f} ms, medians of {rounds}")
    reference = statistics.median(m.rate for m in results["script, json"])
    for name, found in results.items():
        rate = statistics.median(m.rate for m in found)
        cpu, peak = statistics.median(m.cost.cpu for m in found), statistics.median(m.cost.peak_mb for m in found)
        share = f"{rate / reference:5.0%} of the script"
        print(f"  {name:20} {rate:9,.0f} rows/s  {share}  {cpu:5.2f} s CPU  {peak:4.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for latency in (0.0, 0.05):
        compare(latency, given.rows, given.rounds)


if __name__ == "__main__":
    main()

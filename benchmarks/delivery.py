"""Delivering 100,000 planned rows in batches of 1,000, beside a bare script with eight requests in flight.

    python -m benchmarks.delivery [--rows 100000] [--rounds 5]

Both read rows of nine columns from SQLite, about 185 bytes of JSON each, and post them with requests. The script is
written three times: as most are (rows through SQLAlchemy, `requests.post(json=...)`), with rows straight from the
driver and the standard library's json, and with orjson, the leanest there is. The engine reads through SQLAlchemy and
encodes with orjson; it also marks each batch sent, durably, before it leaves, records each answer, passes every call
through the rate limiter, and at the end has the ledger. Each is measured in a process of its own that starts with all
imports done.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import requests
import sqlalchemy as sa

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
from audience_assets.destinations.http import Dialect, HttpClient, Patience
from audience_assets.sync import Progress, run_sync
from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.sync.vendor import CALL, now, plain_destination
from benchmarks.meter import Cost, apart, measured
from benchmarks.people import ACTIVATION, TYPES, USERS, load_people, make_runtime
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
        self._http.call(CALL, "POST", "/members", body=body).json()
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


Batch = list[dict[str, Any]]


def through_sqlalchemy(database: Path) -> Iterator[Batch]:
    engine = sa.create_engine(f"sqlite:///{database}")
    query = sa.select(*(USERS.c[name] for name in TYPES)).order_by(USERS.c.id)
    with engine.connect() as connection:
        for rows in connection.execution_options(yield_per=BATCH).execute(query).mappings().partitions():
            yield [dict(row) for row in rows]
    engine.dispose()


def through_the_driver(database: Path) -> Iterator[Batch]:
    with closing(sqlite3.connect(database)) as connection:
        cursor = connection.execute(f"SELECT {', '.join(TYPES)} FROM users ORDER BY id")
        while rows := cursor.fetchmany(BATCH):
            yield [dict(zip(TYPES, row, strict=True)) for row in rows]


def post_json(session: requests.Session, url: str, body: Any) -> requests.Response:
    return session.post(url, json=body, timeout=60)


def post_orjson(session: requests.Session, url: str, body: Any) -> requests.Response:
    session.trust_env = False  # looking for proxies takes longer than encoding does
    return session.post(url, data=orjson.dumps(body), timeout=60)


Read = Callable[[Path], Iterator[Batch]]
Post = Callable[[requests.Session, str, Any], requests.Response]
SCRIPTS: dict[str, tuple[Read, Post]] = {
    "SQLAlchemy, json": (through_sqlalchemy, post_json),
    "driver, json": (through_the_driver, post_json),
    "driver, orjson": (through_the_driver, post_orjson),
}


def bare_script(database: Path, url: str, rows: int, read: Read, post: Post) -> Measurement:
    """What one would write by hand: read, encode, post, eight at a time."""
    sessions = threading.local()

    def send(batch: Batch) -> None:
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
        profiles = [{"id": values["email"], "attributes": values} for values in batch]
        post(sessions.session, f"{url}/members", {"list": "1", "profiles": profiles}).raise_for_status()

    with measured() as cost, ThreadPoolExecutor(IN_FLIGHT) as pool:
        running: deque[Future[None]] = deque()
        for batch in read(database):
            running.append(pool.submit(send, batch))
            if len(running) > IN_FLIGHT:
                running.popleft().result()
        for future in running:
            future.result()
    return Measurement(cost, rows)


def engine_sync(database: Path, url: str, rows: int) -> tuple[Measurement, Measurement]:
    """Delivery alone (a ready plan: mark, send, acknowledge, merge), and the whole sync from nothing."""
    engine = open_warehouse(f"sqlite:///{database}")
    runtime = make_runtime(database.parent, engine, stub_destination(url))
    delivering: list[tuple[float, float]] = []

    def note(progress: Progress) -> None:
        if progress.phase == "delivering" and not delivering:
            delivering.append((time.perf_counter(), time.process_time()))

    with measured() as cost:
        report = run_sync(runtime, ACTIVATION, as_of=now(), progress=note)
        ended = time.perf_counter(), time.process_time()
    engine.dispose()
    if report.added != rows:
        raise SystemExit(f"{report.added} of {rows} rows were delivered")
    wall, cpu = (end - start for start, end in zip(delivering[0], ended, strict=True))
    return Measurement(Cost(wall, cpu, cost.peak_mb), rows), Measurement(cost, rows)


def prepare(folder: Path, rows: int) -> Path:
    database = folder / "bench.sqlite"
    engine = open_warehouse(f"sqlite:///{database}")
    load_people(make_runtime(folder, engine, stub_destination("http://unused")), rows)
    engine.dispose()
    return database


def compare(latency: float, rows: int, rounds: int) -> None:
    results: defaultdict[str, list[Measurement]] = defaultdict(list)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="audience-bench-") as folder, stub(latency) as url:
            database = prepare(Path(folder), rows)
            for name, (read, post) in SCRIPTS.items():
                results[name].append(apart(bare_script, database, url, rows, read, post))
            delivery, whole = apart(engine_sync, database, url, rows)
            results["engine, delivery"].append(delivery)
            results["engine, whole sync"].append(whole)
    print(f"{rows:,} rows, stub answers after {latency * 1000:.0f} ms, medians of {rounds}")
    for name, found in results.items():
        rate = statistics.median(m.rate for m in found)
        cpu, peak = statistics.median(m.cost.cpu for m in found), statistics.median(m.cost.peak_mb for m in found)
        shares = ", ".join(f"{_share(found, results[script]):.0%} of {script!r}" for script in SCRIPTS)
        print(f"  {name:18} {rate:9,.0f} rows/s {cpu:5.2f} s CPU {peak:4.0f} MB; {shares}", flush=True)


def _share(found: Sequence[Measurement], script: Sequence[Measurement]) -> float:
    """The median of what each round had of the script's rate: what else the machine does slows both in a round."""
    return statistics.median(mine.rate / its.rate for mine, its in zip(found, script, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for latency in (0.0, 0.05):
        compare(latency, given.rows, given.rounds)


if __name__ == "__main__":
    main()

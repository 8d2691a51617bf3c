"""Acknowledging a batch of 1,000 in a list of a million members, and what the merge costs a batch at the end.

    python -m benchmarks.acknowledge [--warehouse sqlite] [--members 1000000] [--rounds 15]

The ledger holds a million members, the plan a change for each of them. One acknowledgement is one transaction, as
delivery writes it: assert the lease, record what the vendor said, close the batch, commit. It is measured for an answer
with ten exceptions, and for one that says something of every member (the vendor's id and a consent we wrote). The
merge, which writes the ledger once a sync, is measured for 1 % who left, 1 % who entered and 2 % who changed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from audience_assets.destinations.base import ConsentWrite, Issue, Operation, Outcome, Report, Status
from audience_assets.sync.acknowledge import DONE, Journal
from audience_assets.sync.lease import Lease, hold_lease
from audience_assets.sync.members import BatchRef, MemberRows
from audience_assets.sync.recovery import journal_of, merge_answers
from benchmarks.plan import BATCH, Bench
from benchmarks.warehouses import empty_warehouse

SYNC = "bench"
WAREHOUSES = ("sqlite", "duckdb", "postgresql")


def few_exceptions(identifiers: list[str]) -> Report:
    """Five refused, three unknown to the vendor, two without a decision."""
    refused = [Outcome(i, Status.REJECTED, issues=[Issue("refused", "bad row")]) for i in identifiers[100:105]]
    absent = [Outcome(i, Status.ABSENT) for i in identifiers[200:203]]
    return Report([*refused, *absent, *(Outcome(i, Status.RETRY) for i in identifiers[300:302])], calls=1)


def every_member(identifiers: list[str]) -> Report:
    return Report(
        [
            Outcome(i, vendor_id=f"01H{n:020}", consents=[ConsentWrite("email", i, "subscribed", "segment_entry")])
            for n, i in enumerate(identifiers)
        ],
        calls=1,
    )


class Acknowledging:
    """A list whose plan changes every member."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.engine = bench.engine
        self.journal: Journal = journal_of(bench.planner, bench.tables, SYNC)

    def plan_everybody(self) -> None:
        users = self.bench.users
        with self.engine.begin() as connection:
            connection.execute(users.update().values(a5="changed"))
        self._plan()

    def plan_churn(self) -> None:
        self.bench.clear()
        self.bench.fill_ledgers()
        self.bench.churn()
        self._plan()

    def _plan(self) -> None:
        with self.engine.begin() as connection:
            self.bench.planner.write(connection, self.bench.tables, SYNC, 0)

    def batches(self) -> Iterator[tuple[int, list[str]]]:
        """Number and identifiers of the batches, the first and the last by turns: from all over the plan."""
        batch = self.journal.state.batch
        rows = MemberRows(self.bench.tables, Operation.UPDATE)
        with self.engine.begin() as connection:
            found = list(connection.execute(sa.select(batch.c.number, batch.c.last).order_by(batch.c.number)))
        while found:
            row = found.pop(0 if len(found) % 2 else -1)
            with self.engine.begin() as connection:
                members = rows.read(connection, BatchRef(row.number, Operation.UPDATE, row.last))
            yield row.number, [member.identifier for member in members]

    def acknowledge(self, lease: Lease, number: int, report: Report) -> float:
        started = time.perf_counter()
        with self.engine.begin() as connection:
            lease.assert_held(connection)
            self.journal.acknowledge(connection, number, Operation.UPDATE.value, report)
            self.journal.close(connection, [number])
        return time.perf_counter() - started

    def merge(self) -> tuple[float, int]:
        """Seconds, and how many changes were merged."""
        batch = self.journal.state.batch
        with self.engine.begin() as connection:
            connection.execute(batch.update().values(status=DONE, answered_at=self.journal.now()))
        started = time.perf_counter()
        with self.engine.begin() as connection:
            answers, _ = merge_answers(connection, self.bench.planner, self.bench.tables, SYNC)
        return time.perf_counter() - started, sum(answers.values())


def run(kind: str, members: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="audience-bench-") as folder, empty_warehouse(kind, Path(folder)) as engine:
        bench = Bench(engine, Path(folder), members)
        bench.load()
        bench.fill_ledgers()
        work = Acknowledging(bench)
        work.plan_everybody()
        batches = work.batches()
        with hold_lease(engine, bench.runtime.state.destination_list, "vips") as lease:
            for title, answer in (("ten exceptions", few_exceptions), ("every member", every_member)):
                times = []
                for _ in range(rounds):
                    number, identifiers = next(batches)
                    times.append(work.acknowledge(lease, number, answer(identifiers)) * 1000)
                print(
                    f"{kind:10} {members:,} members, {title:14}: median {statistics.median(times):6.1f} ms, "
                    f"longest {max(times):6.1f} ms for {BATCH:,} rows",
                    flush=True,
                )
        work.plan_churn()
        seconds, changes = work.merge()
        print(
            f"{kind:10} {members:,} members, merge of {changes:,}: {seconds:.2f} s, "
            f"{seconds * 1000 * BATCH / changes:.1f} ms for {BATCH:,} rows",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", choices=WAREHOUSES, action="append", help="default: each of them")
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    for kind in given.warehouse or WAREHOUSES:
        run(kind, given.members, given.rounds)


if __name__ == "__main__":
    main()

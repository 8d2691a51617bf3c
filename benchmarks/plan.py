"""Planning a sync beside the bare diff statement, on each warehouse.

    python -m benchmarks.plan --members 1000000 --warehouse sqlite [--pandas]

Bare: the textbook statement on two tables that are ready for it, keyed by the identifier: LEFT JOIN + NOT EXISTS,
columns compared NULL-safely, the changes written to a table. Ready: what it costs to make that table of the desired
side from the segment and the users, normalised, unique and in order; somebody has to. Unique: the least of that, one
statement that normalises every identifier and finds those that two users share. Plan: everything a sync does
before its first call - join the segment with the users' columns, normalise and de-duplicate identifiers, diff against
the ledger, number batches, count. Eight attributes, about 70 bytes a row. Churn: 1 % left, 1 % entered, 2 % changed an
attribute.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.project.models import Model, ModelField
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime
from audience_assets.sync.plan import Planner
from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.state import ListTables, State
from audience_assets_tests.sync.vendor import plain_destination
from audience_assets_tests.sync.world import OPEN_GUARD, make_project
from benchmarks.meter import Cost, measured
from benchmarks.warehouses import empty_warehouse, numbers_to

ATTRIBUTES = [f"a{number}" for number in range(8)]
CASES = ("first sync", "1 % churn", "no change")
BATCH = 1_000


class Bench:
    def __init__(self, engine: Engine, folder: Path, members: int) -> None:
        self.engine = engine
        self.members = members
        project = make_project(folder, "sqlite://", folder / "vendor.sqlite", guard=OPEN_GUARD, consent=False)
        self.runtime = Runtime(_widened(project), engine, State(engine), folder, {"plain": plain_destination(BATCH)})
        self.runtime.state.create()
        self.planner = Planner(self.runtime, "vips")
        self.tables: ListTables = self.planner.prepare()
        metadata = sa.MetaData()
        columns = [sa.Column(name, sa.String) for name in ATTRIBUTES]
        key = sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)
        self.users = sa.Table("users", metadata, key, sa.Column("email", sa.String), *columns)
        self.bare_desired = self._keyed("bare_desired", metadata)
        self.bare_ledger = self._keyed("bare_ledger", metadata)
        plan = [sa.Column("identifier", sa.String, primary_key=True), sa.Column("op", sa.String)]
        self.bare_plan = sa.Table(
            "bare_plan", metadata, *plan, *(sa.Column(n, sa.String) for n in ATTRIBUTES), sqlite_with_rowid=False
        )
        metadata.create_all(engine)
        self.segment = self.runtime.state.segment("vips", "integer")
        self.segment.metadata.create_all(engine, tables=[self.segment])

    @staticmethod
    def _keyed(name: str, metadata: sa.MetaData) -> sa.Table:
        columns = [sa.Column("identifier", sa.String, primary_key=True), *(sa.Column(n, sa.String) for n in ATTRIBUTES)]
        return sa.Table(name, metadata, *columns, sqlite_with_rowid=False)

    # -- data ---------------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Users 1..n with 1 % more for later entrants; the first n are in the segment."""
        total = self.members + self.members // 100
        numbers = numbers_to(total, self.engine)
        n = sa.cast(numbers.c.n, sa.BigInteger)
        text = sa.cast(n, sa.String)
        values = [sa.literal("v").concat(sa.cast((n * (place + 3)) % 9973, sa.String)) for place in range(8)]
        email = sa.literal("person").concat(sa.cast((n * 7919) % 1_000_003, sa.String)).concat("x").concat(text)
        with self.engine.begin() as connection:
            connection.execute(
                self.users.insert().from_select(
                    ["id", "email", *ATTRIBUTES], sa.select(n, email.concat("@Example.com"), *values)
                )
            )
            self._set_segment(connection, 1, self.members)
        self._analyze("users", self.segment.fullname)

    def _set_segment(self, connection: Connection, first: int, last: int) -> None:
        connection.execute(self.segment.delete())
        entered = sa.literal(datetime(2026, 1, 1, tzinfo=UTC), UtcDateTime())
        keys = sa.select(self.users.c.id, entered).where(self.users.c.id.between(first, last))
        connection.execute(
            self.segment.insert().from_select(["user_key", "entered_at"], keys.order_by(self.users.c.id))
        )

    def _analyze(self, *names: str) -> None:
        if self.engine.dialect.name == "postgresql":
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for name in names:
                    connection.exec_driver_sql(f"VACUUM ANALYZE {name}")

    def fill_ledgers(self) -> None:
        """Both ledgers hold the first n users as they are."""
        users, ledger = self.users, self.tables.ledger
        email = sa.func.lower(sa.func.trim(users.c.email))
        by_attribute = {column.attribute: column.column for column in self.tables.columns}
        values = [users.c.email, *(users.c[name] for name in ATTRIBUTES)]
        columns = [by_attribute["email"], *(by_attribute[name] for name in ATTRIBUTES)]
        present = users.c.id <= self.members
        with self.engine.begin() as connection:
            connection.execute(ledger.delete())
            rows = (
                sa.select(users.c.id, email, sa.literal("member"), sa.literal(0), *values)
                .where(present)
                .order_by(users.c.id)
            )
            connection.execute(ledger.insert().from_select(["user_key", "identifier", "status", "due", *columns], rows))
            bare = sa.select(email, *(users.c[name] for name in ATTRIBUTES)).where(present).order_by(email)
            connection.execute(self.bare_ledger.delete())
            connection.execute(self.bare_ledger.insert().from_select(["identifier", *ATTRIBUTES], bare))
            registry = self.runtime.state.destination_list  # as the merge of the sync before left it
            connection.execute(registry.update().values(sizes=json.dumps({"member": self.members})))
        self._analyze(ledger.fullname, "bare_ledger")

    def churn(self) -> None:
        """1 % left, 1 % entered, 2 % changed."""
        with self.engine.begin() as connection:
            self._set_segment(connection, 1 + self.members // 100, self.members + self.members // 100)
            connection.execute(self.users.update().where(self.users.c.id % 50 == 7).values(a3="changed"))
        self._analyze("users", self.segment.fullname)

    def make_ready(self) -> Cost:
        """The bare statement gets its desired side ready made: normalised and keyed."""
        users = self.users
        email = sa.func.lower(sa.func.trim(users.c.email))
        rows = sa.select(email, *(users.c[name] for name in ATTRIBUTES)).where(
            users.c.id.in_(sa.select(self.segment.c.user_key))
        )
        with self.engine.begin() as connection:
            connection.execute(self.bare_desired.delete())

        def fill(connection: Connection) -> int:
            filling = self.bare_desired.insert().from_select(["identifier", *ATTRIBUTES], rows.order_by(email))
            return connection.execute(filling).rowcount

        cost, _ = self.measure(fill)
        self._analyze("bare_desired")
        return cost

    # -- what is measured ---------------------------------------------------------------------------------------------

    def bare(self, connection: Connection) -> int:
        d, m, plan = self.bare_desired, self.bare_ledger, self.bare_plan
        connection.execute(plan.delete())
        changed = sa.or_(*(d.c[name].is_distinct_from(m.c[name]) for name in ATTRIBUTES))
        op = sa.case((m.c.identifier.is_(None), "enter"), else_="change")
        sets = (
            sa.select(d.c.identifier, op.label("op"), *(d.c[name] for name in ATTRIBUTES))
            .select_from(d.outerjoin(m, d.c.identifier == m.c.identifier))
            .where(m.c.identifier.is_(None) | changed)
        )
        gone = sa.select(m.c.identifier, sa.literal("leave"), *(sa.null() for _ in ATTRIBUTES)).where(
            ~sa.exists().where(d.c.identifier == m.c.identifier)
        )
        connection.execute(plan.insert().from_select(["identifier", "op", *ATTRIBUTES], sa.union_all(sets, gone)))
        return int(connection.scalar(sa.select(sa.func.count()).select_from(plan)) or 0)

    def unique(self, connection: Connection) -> int:
        desired = self.planner.desired(self.tables)
        identifier = desired.identifier()
        everybody = sa.select(identifier).select_from(desired.joined(identifiers_only=True)).group_by(identifier)
        shared = everybody.having(sa.func.count() > 1).subquery()
        return int(connection.scalar(sa.select(sa.func.count()).select_from(shared)) or 0)

    def plan(self, connection: Connection) -> int:
        first = not connection.scalar(sa.select(sa.exists().select_from(self.tables.ledger)))
        return self.planner.write(connection, self.tables, "bench", None if first else 0).changes

    def measure(self, work: Callable[[Connection], int]) -> tuple[Cost, int]:
        with self.engine.connect() as connection:
            pid: int | None = None
            if self.engine.dialect.name == "postgresql":
                with connection.begin():
                    pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            with measured(pid) as cost, connection.begin():
                changes = work(connection)
        return cost, changes

    def clear(self) -> None:
        with self.engine.begin() as connection:
            batch = self.runtime.state.batch
            connection.execute(batch.delete())
            connection.execute(self.tables.change.delete())
            connection.execute(self.bare_plan.delete())


def _widened(project: Project) -> Project:
    """The test world's project with eight attributes mapped."""
    text = ModelField(type="text")
    fields: dict[str, ModelField] = {"email": text, **dict.fromkeys(ATTRIBUTES, text)}
    users = Model(type="users", table="users", key="id", key_type="integer", fields=fields)
    activation = project.effective["vips"]
    mapping = activation.mapping.model_copy(update={"fields": {name: name for name in ATTRIBUTES}})
    settings = project.settings.model_copy(update={"models": {"users": users}})
    effective = {"vips": activation.model_copy(update={"mapping": mapping})}
    return replace(project, settings=settings, effective=effective)


def pandas_diff(bench: Bench) -> tuple[Cost, int]:
    """The same difference the way a script makes it: both sides read into memory and merged."""
    import pandas as pd

    with measured() as cost, bench.engine.connect() as connection:
        wanted: Any = pd.read_sql(sa.select(bench.bare_desired), connection)
        held: Any = pd.read_sql(sa.select(bench.bare_ledger), connection)
        both = wanted.merge(held, on="identifier", how="outer", suffixes=("", "_held"), indicator=True)
        differs = both["_merge"] != "both"
        for name in ATTRIBUTES:
            differs |= both[name].ne(both[f"{name}_held"]) & (both["_merge"] == "both")
        changes = int(differs.sum())
    return cost, changes


def run(kind: str, members: int, *, rounds: int, with_pandas: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="audience-bench-"))
    with empty_warehouse(kind, folder) as engine:
        bench = Bench(engine, folder, members)
        bench.load()
        for case in CASES:
            if case == "1 % churn":
                bench.fill_ledgers()
                bench.churn()
            elif case == "no change":
                with engine.begin() as connection:
                    bench._set_segment(connection, 1, members)
                bench.fill_ledgers()
            report(bench, kind, case, bench.make_ready(), rounds, with_pandas=with_pandas)
    shutil.rmtree(folder)


def report(bench: Bench, kind: str, case: str, ready: Cost, rounds: int, *, with_pandas: bool) -> None:
    bares, uniques, plans = [], [], []
    for _ in range(rounds):
        uniques.append(bench.measure(bench.unique)[0])
        bench.clear()
        bares.append(bench.measure(bench.bare))
        bench.clear()
        plans.append(bench.measure(bench.plan))
    bare, plan = min(bares, key=lambda pair: pair[0].cpu), min(plans, key=lambda pair: pair[0].cpu)
    if bare[1] != plan[1]:
        raise SystemExit(f"{kind} {case}: bare found {bare[1]} changes, the plan {plan[1]}")
    unique = min(uniques, key=lambda cost: cost.cpu)
    title = f"{kind:10} {bench.members:>10,} {case:10}"
    print(f"{title} bare   {bare[0]}   {bare[1]:,} changes")
    print(f"{title} ready  {ready}")
    print(f"{title} unique {unique}")
    beside = {"bare": 0.0, "unique and bare": unique.cpu, "ready and bare": ready.cpu}
    ratios = ", ".join(f"{plan[0].cpu / (bare[0].cpu + more):.2f} x {name}" for name, more in beside.items())
    print(f"{title} plan   {plan[0]}   CPU: {ratios}", flush=True)
    if with_pandas:
        cost, changes = pandas_diff(bench)
        print(
            f"{title} pandas {cost}   {cost.cpu / plan[0].cpu:.1f} x the plan's CPU ({changes:,} changes)", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", choices=["sqlite", "duckdb", "postgresql"], default="sqlite")
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pandas", action="store_true")
    given = parser.parse_args()
    run(given.warehouse, given.members, rounds=given.rounds, with_pandas=given.pandas)


if __name__ == "__main__":
    main()

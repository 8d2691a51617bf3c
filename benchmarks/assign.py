"""Giving a million people their group beside the plain scan of the same table, on each warehouse.

    python -m benchmarks.assign --people 1000000 --warehouse sqlite

Scan: the users' keys and cities copied into a temporary table, and nothing else. Hashes: what holdout and split cost in
any program. Assign: the one statement that decides include, exclude, holdout, sub-audience, bucket and group of
everybody, copied into such a table too; once with nobody assigned before, once with everybody in the ledger. Refresh:
all that a campaign's run does with it - ledger, recipients and the audience of every treatment group - for the first
time, again with nothing changed, after 1 % left and 1 % came.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.store import temporary_table
from audience_assets.campaigns.assign import stage
from audience_assets.campaigns.meaning import holdout_in_force
from audience_assets.campaigns.refresh import refresh_campaign
from audience_assets.campaigns.split import compile_split
from audience_assets.campaigns.statement import Audience, compile_audience
from audience_assets.campaigns.versions import current_splits
from audience_assets.project.campaigns import Holdout
from audience_assets.warehouse.functions import bucket
from audience_assets.warehouse.state import State
from audience_assets_tests.campaigns.people import NOON, PARIS, campaign, groups, project_of
from benchmarks.meter import Cost, measured
from benchmarks.warehouses import empty_warehouse, numbers_to

PLAN = campaign(
    include=["adults"],
    exclude=["retired"],
    holdout="universal",
    split={"method": "hash"},
    sub_audiences=[
        {"name": "Paris", "where": PARIS, "groups": groups("10", "45", "45")},
        {"name": "Lyon", "where": {"field": "city", "op": "is", "value": "lyon"}, "groups": groups("10")},
    ],
    remaining={"groups": groups("20")},
)
PROJECT = project_of(
    PLAN,
    holdouts={"universal": Holdout.model_validate({"percent": "5"})},
    segments={"retired": {"where": {"field": "age", "op": "gte", "value": "75"}}},
)
COLUMNS = (sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),)
USERS = sa.Table("people", sa.MetaData(), *COLUMNS, sa.Column("city", sa.String), sa.Column("age", sa.BigInteger))


class Bench:
    def __init__(self, engine: Engine, people: int) -> None:
        self.engine, self.people = engine, people
        self.state = State(engine)
        self.state.create()
        USERS.create(engine)
        self.pid: int | None = None

    def load(self) -> None:
        """People 1 to n, a third of them in each city, and 1 % more who are too young until later."""
        total = self.people + self.people // 100
        n = sa.cast(numbers_to(total, self.engine).c.n, sa.BigInteger)
        city = sa.case((n % 3 == 0, "paris"), (n % 3 == 1, "lyon"), else_="nice")
        age = sa.case((n <= self.people, 18 + n % 60), else_=17)
        with self.engine.begin() as connection:
            connection.execute(USERS.insert().from_select(["id", "city", "age"], sa.select(n, city, age).order_by(n)))
        if self.engine.dialect.name == "postgresql":
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE people")

    def churn(self) -> None:
        """The first 1 % leave, the last 1 % come of age."""
        with self.engine.begin() as connection:
            connection.execute(USERS.update().where(USERS.c.id <= self.people // 100).values(age=17))
            connection.execute(USERS.update().where(USERS.c.id > self.people).values(age=18))

    # -- what is measured ---------------------------------------------------------------------------------------------

    def scan(self, connection: Connection) -> None:
        table = temporary_table("scan", sa.Column("id", sa.BigInteger), sa.Column("city", sa.String))
        table.create(connection)
        rows = sa.select(USERS.c.id, USERS.c.city).where(USERS.c.age >= 18)
        connection.execute(table.insert().from_select(["id", "city"], rows))

    def hash(self, connection: Connection) -> None:
        """The two hashes of everybody alone: is somebody held out, and which bucket is theirs."""
        hashes = (bucket(salt, USERS.c.id) for salt in ("holdout-universal", "spring"))
        connection.execute(sa.select(*(sa.func.sum(each) for each in hashes))).all()

    def assign(self, connection: Connection) -> None:
        expect_large_joins(connection)
        audience = compile_audience(Audience(PROJECT, "spring", self.state, NOON))
        splits = current_splits(connection, self.state, PLAN, holdout_in_force(PROJECT, "spring", NOON), NOON, dict)
        ledger = self.state.assignment("spring", "integer")
        rows = compile_split(audience, splits, None if splits.first else ledger, first_match=True)
        stage(connection, USERS.c.id, rows, splits)

    def measure(self, work: Callable[[Connection], None]) -> Cost:
        """Of work that is undone."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "postgresql":
                self.pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
                connection.rollback()
            with measured(self.pid) as cost:
                work(connection)
            connection.rollback()
        return cost

    def refresh(self, day: int) -> Cost:
        with measured(self.pid) as cost:
            refresh_campaign(self.engine, self.state, PROJECT, "spring", NOON + timedelta(days=day))
        return cost


def compare(bench: Bench) -> None:
    bench.load()
    name = bench.engine.dialect.name
    plain = min((bench.measure(bench.scan) for _ in range(3)), key=lambda cost: cost.cpu)
    _say(name, "plain scan", plain, plain)
    _say(name, "their two hashes", bench.measure(bench.hash), plain)
    _say(name, "assign, nobody before", bench.measure(bench.assign), plain)
    _say(name, "refresh, the first", bench.refresh(0), plain)
    _say(name, "assign, all before", bench.measure(bench.assign), plain)
    _say(name, "refresh, no change", bench.refresh(1), plain)
    bench.churn()
    _say(name, "refresh, 1 % churn", bench.refresh(2), plain)


def _say(warehouse: str, what: str, cost: Cost, plain: Cost) -> None:
    print(f"{warehouse:10} {what:24} {cost}  {cost.cpu / plain.cpu:5.1f} x the scan's CPU", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--warehouse", choices=["sqlite", "duckdb", "postgresql"], required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, empty_warehouse(arguments.warehouse, Path(folder)) as engine:
        compare(Bench(engine, arguments.people))


if __name__ == "__main__":
    main()

"""Finding who of a campaign shares an address with somebody in its control, at every sync of one of its lists.

    python -m benchmarks.control --people 1000000 --warehouse duckdb

A tenth of the people is in control. One in a hundred shares the e-mail address of somebody there, another one the
number, spelled without its country. Scan: the members' keys and addresses copied into a temporary table, and nothing
else. One: by e-mail address alone. All: by e-mail address, phone number and external id.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.store import temporary_table
from audience_assets.sync.control import without_protected
from audience_assets.sync.desired import Desired
from audience_assets.warehouse.state import MappedColumn
from benchmarks.meter import Cost, measured
from benchmarks.warehouses import empty_warehouse, numbers_to

TABLES = sa.MetaData()
ADDRESSES = ("email", "phone", "external_id")
USERS = sa.Table(
    "people",
    TABLES,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.String) for name in ADDRESSES),
)
TREATED, CONTROL = (
    sa.Table(name, TABLES, sa.Column("user_key", sa.BigInteger, primary_key=True, autoincrement=False))
    for name in ("treated", "control")
)


def load(engine: Engine, people: int) -> None:
    """Everybody whose number ends with 0 is in control; who has 1 or 2 there may share what they have."""
    n = sa.cast(numbers_to(people, engine).c.n, sa.BigInteger)
    text = sa.String()
    whose = sa.case((n % 100 == 1, n - 1), else_=n)
    number = 2_012_000_000 + sa.case((n % 100 == 2, n - 2), else_=n) * 7919 % 7_000_000
    plus = sa.case((n % 100 == 2, "("), else_="+1")
    values = [
        n,
        sa.literal("Person", text) + sa.cast(whose, text) + sa.literal("@Shop-Customers.com", text),
        plus + sa.cast(number, text),
        sa.literal("x", text) + sa.cast(n, text),
    ]
    TABLES.create_all(engine)
    with engine.begin() as connection:
        connection.execute(USERS.insert().from_select(["id", *ADDRESSES], sa.select(*values).order_by(n)))
        for table, chosen in ((CONTROL, USERS.c.id % 10 == 0), (TREATED, USERS.c.id % 10 != 0)):
            rows = sa.select(USERS.c.id).where(chosen).order_by(USERS.c.id)
            connection.execute(table.insert().from_select(["user_key"], rows))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def desired(kinds: tuple[str, ...]) -> Desired:
    return Desired(
        members=TREATED,
        users=USERS,
        joins=(),
        key=USERS.c.id,
        values={name: USERS.c[name] for name in ADDRESSES},
        columns=tuple(MappedColumn(name, name, "text") for name in ADDRESSES),
        identifier_columns=("email",),
        identifier_kinds=("email",),
        tracked_columns=(),
        addresses=tuple((kind, kind) for kind in kinds),
        default_region="US",
    )


def scan(connection: Connection) -> None:
    table = temporary_table("scan", *(sa.Column(column.name, column.type) for column in USERS.columns))
    table.create(connection)
    rows = sa.select(USERS).join_from(TREATED, USERS, USERS.c.id == TREATED.c.user_key)
    connection.execute(table.insert().from_select(list(USERS.c.keys()), rows))


def leave_out(connection: Connection, kinds: tuple[str, ...]) -> None:
    expect_large_joins(connection)
    with without_protected(connection, desired(kinds), {"in control": sa.select(CONTROL.c.user_key)}) as kept:
        print(f"{'':10} left out: {dict(kept.barred)}", flush=True)


def cost_of(engine: Engine, work: Callable[[Connection], None]) -> Cost:
    """Of work that is undone."""
    with engine.connect() as connection:
        pid: int | None = None
        if engine.dialect.name == "postgresql":
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            connection.rollback()
        with measured(pid) as cost:
            work(connection)
        connection.rollback()
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--warehouse", choices=["sqlite", "duckdb", "postgresql"], required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, empty_warehouse(arguments.warehouse, Path(folder)) as engine:
        load(engine, arguments.people)
        plain = cost_of(engine, scan)
        one = cost_of(engine, lambda connection: leave_out(connection, ("email",)))
        every = cost_of(engine, lambda connection: leave_out(connection, ADDRESSES))
        for what, cost in (("plain scan", plain), ("one address", one), ("all three", every)):
            print(
                f"{engine.dialect.name:10} {what:12} {cost}  {cost.cpu / plain.cpu:5.1f} x the scan's CPU", flush=True
            )


if __name__ == "__main__":
    main()

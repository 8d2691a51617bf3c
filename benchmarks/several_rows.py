"""Looking whether a model that a list joins has several rows of a customer, at every sync with `on_duplicate: fail`.

    python -m benchmarks.several_rows --people 1000000

SQLite. Everybody has one row in the joined model, by an index there and without one. Copy: the members' keys and the
addresses that the join finds, copied into a temporary table. Look: what a sync asks.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sync.plan import Planner
from audience_assets.sync.several_rows import expect_one_row
from audience_assets_tests.sync.vendor import plain_destination
from benchmarks.meter import Cost, measured

FILES = {
    "project.yaml": """
project: readers
warehouse: {url: "sqlite:///bench.db"}
models:
  guests: {type: users, table: guests, key: id, key_type: integer}
  contacts: {type: custom, table: contacts, key: guest, key_type: integer, fields: {email: {type: text}}}
relationships:
  - {from: guests, to: contacts, kind: belongs_to, on: {id: guest}}
""",
    "destinations.yaml": "destinations: {plain: {type: plain, path: vendor.sqlite}}\n",
    "segments/everyone.yaml": "label: Everyone\n",
    "activations/all.yaml": """
segment: everyone
destination: plain
mapping: {identifiers: {email: contact.email}}
""",
}
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :people)"


def opened(folder: Path, people: int) -> Runtime:
    """A project whose segment is everybody, computed."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bench.db").touch()
    runtime = Runtime.open(folder, destinations={"plain": plain_destination()})
    with runtime.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE guests (id BIGINT PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE contacts (guest BIGINT, email TEXT)")
        connection.execute(sa.text(f"INSERT INTO guests {NUMBERS} SELECT i FROM n"), {"people": people})
        connection.exec_driver_sql("INSERT INTO contacts SELECT id, 'person' || id || '@example.com' FROM guests")
    refresh_segment(runtime.engine, runtime.state, runtime.project, "everyone", runtime.now())
    return runtime


def cost_of(runtime: Runtime, work: Callable[[Connection], None]) -> Cost:
    with runtime.engine.connect() as connection:
        expect_large_joins(connection)
        with measured() as cost:
            work(connection)
        connection.rollback()
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    people = parser.parse_args().people
    with tempfile.TemporaryDirectory(prefix="audience-bench-") as folder, opened(Path(folder), people) as runtime:
        planner = Planner(runtime, "all", runtime.now())
        desired = planner.unplanned()

        def copy(connection: Connection) -> None:
            rows = sa.select(desired.members.c.user_key, desired.identifier()).select_from(desired.joined())
            text = rows.compile(connection, compile_kwargs={"literal_binds": True})
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE copied AS {text}")

        for index in ("without an index", "with an index"):
            if index == "with an index":
                with runtime.engine.begin() as connection:
                    connection.exec_driver_sql("CREATE INDEX contacts_guest ON contacts (guest)")
            print(f"{people:>10,} {index:17} copy {cost_of(runtime, copy)}")
            print(f"{people:>10,} {index:17} look {cost_of(runtime, lambda each: expect_one_row(each, planner))}")


if __name__ == "__main__":
    main()

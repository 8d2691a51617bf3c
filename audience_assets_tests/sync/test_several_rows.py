"""A joined model with several rows of one customer: refused, the first one, or one for each address."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.errors import ProjectError
from audience_assets.project.load import load_project
from audience_assets.runtime import Runtime
from audience_assets.sync import SyncReport, plan_sync, run_sync
from audience_assets.sync.plan import Planner
from audience_assets.sync.reach import Reach, measure_reach, rows_to_send
from audience_assets.sync.several_rows import SeveralRows
from audience_assets_tests.sync.vendor import PlainVendor, now, plain_destination

PROJECT = """
project: readers
warehouse: {url: "sqlite://"}
models:
  guests: {type: users, table: guests, key: id, key_type: integer, fields: {
    home: {type: integer}, own_email: {type: text}}}
  contacts:
    type: custom
    table: contacts
    key: guest
    key_type: integer
    timestamp: changed_at
    fields: {email: {type: text}, name: {type: text}, changed_at: {type: timestamp}}
  homes: {type: custom, table: homes, key: number, key_type: integer, fields: {city: {type: text}}}
relationships:
  - {from: guests, to: contacts, kind: belongs_to, on: {id: guest}}
  - {from: guests, to: homes, kind: belongs_to, on: {home: number}}
"""
ACTIVATION = """
segment: everyone
destination: plain
mapping: {identifiers: {email: contact.email}, fields: {first_name: contact.name, city: home.city}}
guard: {min_size: 0, max_removed_percent: 100}
"""
MakeWarehouse = Callable[[str], sa.Engine]
Contact = tuple[int, str | None, str | None, str | None]  # guest, email, name, changed at


class Readers:
    """Guests whose addresses and homes are in tables that nothing keeps unique."""

    def __init__(self, folder: Path, engine: sa.Engine, on_duplicate: str | None) -> None:
        said = f"on_duplicate: {on_duplicate}\n" if on_duplicate else ""
        files = {
            "project.yaml": PROJECT,
            "segments/everyone.yaml": "segment: everyone\n",
            "destinations.yaml": f"destinations: {{plain: {{type: plain, path: {folder / 'vendor.sqlite'}}}}}\n",
            "activations/all.yaml": ACTIVATION + said,
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE guests (id BIGINT PRIMARY KEY, home BIGINT, own_email TEXT)")
            connection.exec_driver_sql("CREATE TABLE homes (number BIGINT, city TEXT)")
            moment = "changed_at TIMESTAMP"
            connection.exec_driver_sql(f"CREATE TABLE contacts (guest BIGINT, email TEXT, name TEXT, {moment})")
        url = engine.url.render_as_string(hide_password=False)
        engine.dispose()  # DuckDB takes one opener at a time
        self.runtime = Runtime.open(folder, destinations={"plain": plain_destination()}, url=url)
        self.vendor = PlainVendor(folder / "vendor.sqlite")

    def write(self, guests: Iterable[int], contacts: Iterable[Contact], homes: Iterable[tuple[int, str]] = ()) -> None:
        """Replace everything. Guests live in the home 1."""
        moment = ":d" if self.runtime.engine.dialect.name == "sqlite" else "CAST(:d AS TIMESTAMP)"
        rows: dict[str, tuple[str, list[dict[str, Any]]]] = {
            "guests": ("(:a, 1, NULL)", [{"a": guest} for guest in guests]),
            "contacts": (f"(:a, :b, :c, {moment})", [dict(zip("abcd", row, strict=True)) for row in contacts]),
            "homes": ("(:a, :b)", [dict(zip("ab", row, strict=True)) for row in homes]),
        }
        with self.runtime.engine.begin() as connection:
            for table, (values, parameters) in rows.items():
                connection.execute(sa.text(f"DELETE FROM {table}"))
                if parameters:
                    connection.execute(sa.text(f"INSERT INTO {table} VALUES {values}"), parameters)

    def sync(self) -> SyncReport:
        runtime = self.runtime
        refresh_segment(runtime.engine, runtime.state, runtime.project, "everyone", now())
        return run_sync(runtime, "all", as_of=now())

    def reach(self) -> Reach:
        planner = Planner(self.runtime, "all", now())
        with self.runtime.engine.connect() as connection:
            return measure_reach(connection, planner, planner.unplanned())


def contact(guest: int, email: str | None, name: str | None = None, changed_at: str | None = None) -> Contact:
    return guest, email, name, changed_at


EARLY, LATE = "2026-01-01 00:00:00", "2026-02-01 00:00:00"


def test_several_rows_are_refused_and_nothing_is_sent(tmp_path: Path, make_warehouse: MakeWarehouse) -> None:
    readers = Readers(tmp_path, make_warehouse("sqlite"), None)
    with readers.runtime:
        readers.write(
            [1, 2], [contact(1, "a@x.com"), contact(2, "b@x.com"), contact(9, "y@x.com"), contact(9, "z@x.com")]
        )
        assert readers.sync().added == 2  # of 9, who is nobody's customer here, there may be any number
        readers.write([1, 2], [contact(1, "a@x.com"), contact(1, "c@x.com"), contact(2, "b@x.com")])
        calls = len(readers.vendor.calls())
        with pytest.raises(SeveralRows) as refused:
            readers.sync()
        assert str(refused.value).startswith(
            "all: 1 customer of the audience has several rows in contacts, and nothing"
        )
        assert "say on_duplicate: first" in str(refused.value) and "expand (one for each email)" in str(refused.value)
        readers.write([1, 2], [contact(1, "a@x.com"), contact(2, "b@x.com")], [(1, "Oslo"), (1, "Bergen")])
        with pytest.raises(SeveralRows, match="2 customers of the audience have several rows in homes"):
            plan_sync(readers.runtime, "all", as_of=now())
        assert len(readers.vendor.calls()) == calls
        assert set(readers.vendor.held()) == {"a@x.com", "b@x.com"}


def test_the_first_row_is_the_newest_and_always_the_same(tmp_path: Path, warehouse: sa.Engine) -> None:
    readers = Readers(tmp_path, warehouse, "first")
    with readers.runtime:
        rows = [
            contact(1, "old@x.com", "Old", EARLY),
            contact(1, "new@x.com", "New", LATE),
            contact(1, "undated@x.com", "Undated"),
            contact(2, "b@x.com", "Ann"),
            contact(2, "b@x.com", "Bea"),
        ]
        homes = [(1, "Oslo"), (1, "Bergen")]
        readers.write([1, 2], rows, homes)
        assert readers.sync().added == 2
        held = readers.vendor.held()
        named = {email: (values["first_name"], values["city"]) for email, values in held.items()}
        assert named == {"new@x.com": ("New", "Bergen"), "b@x.com": ("Ann", "Bergen")}
        readers.write([1, 2], rows[::-1], homes[::-1])
        assert readers.sync().counts.changes == 0
        assert readers.reach() == Reach(2, 2, 0)


def test_each_address_of_a_customer_is_a_row(tmp_path: Path, warehouse: sa.Engine) -> None:
    readers = Readers(tmp_path, warehouse, "expand")
    with readers.runtime:
        rows = [
            contact(1, "a@x.com", "Ann", EARLY),
            contact(1, " A@X.com ", "Anna", LATE),
            contact(1, "b@x.com", "Ann", EARLY),
            contact(1, None, "Nobody"),
            contact(2, None),
            contact(3, "b@x.com", "Bob"),
        ]
        readers.write([1, 2, 3], rows, [(1, "Oslo"), (1, "Bergen")])
        report = readers.sync()
        assert (report.added, report.counts.audience_users, report.counts.unidentified) == (2, 3, 1)
        assert {email: values["first_name"] for email, values in readers.vendor.held().items()} == {
            "a@x.com": "Anna",
            "b@x.com": "Ann",
        }
        found = readers.reach()
        assert found == Reach(3, 2, 1, {"no email": 1, "the same email as another": 1})
        assert found.customers == found.rows - found.expansion + found.lost
        planner = Planner(readers.runtime, "all", now())
        with readers.runtime.engine.connect() as connection:
            sent = [row["identifier"] for row in rows_to_send(connection, planner.unplanned(), 9)]
        assert sorted(sent) == ["a@x.com", "b@x.com", "b@x.com"]
        # One of two addresses comes, stays and goes.
        for now_there in (["a@x.com"], ["a@x.com", "c@x.com"], ["c@x.com"]):
            readers.write([1], [contact(1, email) for email in now_there])
            readers.sync()
            assert sorted(readers.vendor.held()) == now_there
            if len(now_there) > 1:
                assert readers.sync().counts.changes == 0


def expected(guests: Iterable[int], contacts: Sequence[Contact], *, expand: bool) -> dict[str, str | None]:
    """Address -> name: what the list holds, worked out in Python."""
    held: dict[str, str | None] = {}
    for guest in sorted(guests, reverse=True):
        own = [row for row in contacts if row[0] == guest]
        # Stable sorts, the least important first.
        own.sort(key=lambda row: (row[1] is None, row[1] or "", row[2] is None, row[2] or ""))
        own.sort(key=lambda row: row[3] or "", reverse=True)
        rows = reversed(own if expand else own[:1])
        held |= {email: name for _, email, name, _ in rows if email is not None}
    return held


@pytest.mark.parametrize("on_duplicate", ["first", "expand"])
def test_any_rows_that_come_and_go(tmp_path: Path, make_warehouse: MakeWarehouse, on_duplicate: str) -> None:
    chance = random.Random(7)
    readers = Readers(tmp_path, make_warehouse("sqlite"), on_duplicate)
    with readers.runtime:
        for _ in range(5):
            guests = [guest for guest in range(1, 6) if chance.random() < 0.8]
            contacts = [
                contact(
                    chance.randint(1, 5),
                    chance.choice(["a@x.com", "b@x.com", "c@x.com", "d@x.com", None]),
                    chance.choice(["Ann", "Bob", None]),
                    chance.choice([EARLY, LATE, None]),
                )
                for _ in range(chance.randint(0, 12))
            ]
            readers.write(guests, contacts, [(1, "Oslo")])
            readers.sync()
            held = {email: values["first_name"] for email, values in readers.vendor.held().items()}
            assert held == expected(guests, contacts, expand=on_duplicate == "expand"), (guests, contacts)
            assert readers.sync().counts.changes == 0


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (
            "{email: own_email}",
            "expand makes a row of each address, but 'guests', whose own_email names people, has one",
        ),
        ("{email: home.city}", None),
    ],
)
def test_expansion_needs_a_model_with_several_addresses(tmp_path: Path, mapping: str, said: str | None) -> None:
    engine = sa.create_engine("sqlite://")
    Readers(tmp_path, engine, "expand").runtime.close()
    file = tmp_path / "activations/all.yaml"
    file.write_text(file.read_text().replace("{email: contact.email}", mapping))
    destinations = {"plain": plain_destination()}
    if said is None:
        assert load_project(tmp_path, destinations=destinations)
        return
    with pytest.raises(ProjectError) as refused:
        load_project(tmp_path, destinations=destinations)
    assert f"activations/all.yaml:6: on_duplicate: {said}" in str(refused.value)

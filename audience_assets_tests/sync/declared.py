"""A bakery declared in YAML, its tables, and the plain vendor, which shows whom it was given and with what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.destinations.base import Connection, DestinationType, Evidence, ListRef, Member, Report
from audience_assets.runtime import Runtime
from audience_assets.sync import SyncReport, run_sync
from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets_tests.sync.vendor import Options, PlainVendor, Settings, plain_destination

PROJECT = """
project: bakery
timezone: Europe/Paris
warehouse: {url: "sqlite://"}
models:
  guests:
    type: users
    table: guests
    key: id
    key_type: integer
    fields:
      email: {type: text}
      household: {type: integer}
      visits: {type: integer}
  # Read first, to be of no use to lists that name the other history.
  household_choices:
    type: events
    role: consent
    table: household_choices
    key: id
    key_type: integer
    timestamp: chosen_at
    fields: {household: {type: integer}, channel: {type: text}, status: {type: text}}
  guest_choices:
    type: events
    role: consent
    table: guest_choices
    key: id
    key_type: integer
    timestamp: chosen_at
    fields: {guest: {type: integer}, channel: {type: text}, status: {type: text}}
  purchases:
    type: events
    table: purchases
    key: id
    key_type: integer
    timestamp: bought_at
    fields: {guest: {type: integer}, amount: {type: number}}
  homes:
    type: custom
    table: homes
    key: number
    key_type: integer
    fields: {city: {type: text}, contact: {type: text}}
relationships:
  - {from: guests, to: homes, kind: belongs_to, on: {household: number}}
  - {from: guests, to: household_choices, kind: has_many, on: {household: household}}
  - {from: guests, to: guest_choices, kind: has_many, on: {id: guest}}
  - {from: guests, to: purchases, kind: has_many, on: {id: guest}}
calculated_fields:
  guests:
    bought: {aggregate: count, over: purchases, within: 30d}
    spent: {aggregate: "sum:amount", over: purchases}
    last_bought_at: {aggregate: "max:bought_at", over: purchases}
    spent_a_visit: {formula: spent / visits}
"""
SEGMENT = "where: {field: visits, op: gte, value: 1}\n"
DESTINATIONS = "destinations: {plain: {type: plain, path: PATH}}\n"

TABLES = sa.MetaData()
GUESTS = sa.Table(
    "guests",
    TABLES,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("household", sa.BigInteger),
    sa.Column("visits", sa.BigInteger),
)
PURCHASES = sa.Table(
    "purchases",
    TABLES,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("guest", sa.BigInteger),
    sa.Column("amount", sa.Double),
    sa.Column("bought_at", UtcDateTime),
)
HOMES = sa.Table(
    "homes",
    TABLES,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("city", sa.String),
    sa.Column("contact", sa.String),
)
GUEST_CHOICES, HOUSEHOLD_CHOICES = (
    sa.Table(
        f"{whose}_choices",
        TABLES,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(whose, sa.BigInteger),
        sa.Column("channel", sa.String),
        sa.Column("status", sa.String),
        sa.Column("chosen_at", UtcDateTime),
    )
    for whose in ("guest", "household")
)


class Witness(PlainVendor):
    """Keeps the evidence that came with everybody it was asked to add."""

    evidence: dict[str, Evidence]

    def __init__(self, path: Path, evidence: dict[str, Evidence], *, consent: bool) -> None:
        super().__init__(path, consent=consent)
        self.evidence = evidence

    def add(self, target: ListRef, members: Any) -> Report:
        found: list[Member] = list(members)
        self.evidence.update({member.identifier: member.evidence["email"] for member in found if member.evidence})
        return super().add(target, found)


@dataclass
class Bakery:
    """The project in a folder. `sync` computes the segment and delivers its list as of one time."""

    runtime: Runtime
    vendor: PlainVendor
    evidence: dict[str, Evidence]

    def insert(self, table: sa.Table, *rows: dict[str, Any]) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(table.insert(), list(rows))

    def sync(self, as_of: datetime) -> SyncReport:
        runtime = self.runtime
        refresh_segment(runtime.engine, runtime.state, runtime.project, "regulars", as_of)
        return run_sync(runtime, "regulars", as_of=as_of)


def write_bakery(folder: Path, activation: str) -> Path:
    """The project's files; `activation` says what differs between tests."""
    files = {
        "project.yaml": PROJECT,
        "segments/regulars.yaml": SEGMENT,
        "destinations.yaml": DESTINATIONS.replace("PATH", str(folder / "vendor.sqlite")),
        "activations/regulars.yaml": f"segment: regulars\ndestination: plain\n{activation}",
    }
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def witnessed(evidence: dict[str, Evidence]) -> DestinationType:
    """The plain vendor, watched."""

    def connect(connection: Connection) -> Witness:
        assert isinstance(connection.settings, Settings)
        assert isinstance(connection.options, Options)
        return Witness(Path(connection.settings.path), evidence, consent=connection.options.consent)

    kind = plain_destination()
    services = {name: replace(spec, connect=connect) for name, spec in kind.services.items()}
    return replace(kind, services=services)


def open_bakery(folder: Path, engine: sa.Engine, activation: str) -> Bakery:
    """The bakery on a warehouse with its tables, still without guests."""
    TABLES.create_all(engine)
    evidence: dict[str, Evidence] = {}
    url = engine.url.render_as_string(hide_password=False)
    engine.dispose()  # DuckDB takes one opener at a time
    runtime = Runtime.open(write_bakery(folder, activation), destinations={"plain": witnessed(evidence)}, url=url)
    return Bakery(runtime, PlainVendor(folder / "vendor.sqlite"), evidence)

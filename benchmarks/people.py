"""One list of people as long as real ones: nine mapped columns, about 185 bytes of JSON a person."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.destinations.base import DestinationType
from audience_assets.project.activations import Mapping
from audience_assets.project.models import Model, ModelField
from audience_assets.runtime import Runtime
from audience_assets.warehouse.state import State
from audience_assets_tests.sync.world import OPEN_GUARD, make_project

ACTIVATION = "vips"
TYPES = {
    "email": "text",
    "first_name": "text",
    "last_name": "text",
    "city": "text",
    "country": "text",
    "last_order": "text",
    "orders": "integer",
    "spent": "number",
    "score": "integer",
}
_KINDS: dict[str, type[sa.types.TypeEngine[Any]]] = {"text": sa.String, "integer": sa.BigInteger, "number": sa.Double}
USERS = sa.Table(
    "users",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, _KINDS[kind]) for name, kind in TYPES.items()),
)
FIRST_NAMES = ("Giulia", "Oliver", "Amélie", "Jonas", "Beatriz", "Søren", "Katarzyna")
LAST_NAMES = ("Rossi", "Taylor", "Lefèvre", "Schneider", "Fernandes", "Nielsen", "Wiśniewska", "Novák", "Murphy")
CITIES = ("Roma", "Manchester", "Lyon", "Hamburg", "Lisboa", "Aarhus", "Kraków", "Ostrava", "Cork", "Zaragoza", "Gent")


def person(number: int) -> dict[str, Any]:
    """A row of the users table."""
    return {
        "id": number,
        "email": f"person{number}@mail{number % 97}.example.com",
        "first_name": FIRST_NAMES[number % len(FIRST_NAMES)],
        "last_name": LAST_NAMES[number % len(LAST_NAMES)],
        "city": CITIES[number % len(CITIES)],
        "country": "IT",
        "last_order": f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "orders": number % 40,
        "spent": number % 99_991 / 100,
        "score": number % 1_009,
    }


def make_runtime(folder: Path, engine: Engine, destination: DestinationType) -> Runtime:
    """The project of that one list."""
    project = make_project(folder, "sqlite://", folder / "unused", guard=OPEN_GUARD, consent=False)
    fields = {name: ModelField.model_validate({"type": kind}) for name, kind in TYPES.items()}
    model = Model(type="users", table="users", key="id", key_type="integer", fields=fields)
    mapping = Mapping(identifiers={"email": "email"}, fields={name: name for name in TYPES if name != "email"})
    activation = project.effective[ACTIVATION].model_copy(update={"mapping": mapping})
    settings = project.settings.model_copy(update={"models": {"users": model}})
    project = dataclasses.replace(project, settings=settings, effective={ACTIVATION: activation})
    return Runtime(project, engine, State(engine), folder, {"plain": destination})


def load_people(runtime: Runtime, people: int) -> None:
    """Users 1 to `people`, all of them in the segment."""
    runtime.state.create()
    USERS.metadata.create_all(runtime.engine)
    segment = runtime.state.segment(ACTIVATION, "integer")
    segment.create(runtime.engine, checkfirst=True)
    entered = datetime(2026, 1, 1, tzinfo=UTC)
    with runtime.engine.begin() as connection:
        connection.execute(USERS.insert(), [person(number) for number in range(1, people + 1)])
        rows = [{"user_key": number, "entered_at": entered} for number in range(1, people + 1)]
        connection.execute(segment.insert(), rows)

"""A small world for engine tests: a users table, a segment's members, one list at the plain vendor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audience_assets.project import activations
from audience_assets.project.activations import (
    ConsentSettings,
    Destination,
    EffectiveActivation,
    Guard,
    Schedule,
)
from audience_assets.project.models import Model, ModelField, Segment
from audience_assets.project.project import Project, ProjectFile, WarehouseSettings
from audience_assets.runtime import Runtime
from audience_assets.sync import SyncReport, run_sync
from audience_assets.warehouse.state import State
from audience_assets_tests.sync.vendor import PlainVendor, now, plain_destination

# E-mail address, city, score.
Person = tuple[str | None, str | None, int | None]

FIELDS = {
    "email": ModelField(type="text"),
    "city": ModelField(type="text"),
    "score": ModelField(type="integer"),
    "consent_at": ModelField(type="timestamp"),
}


def make_project(root: Path, url: str, vendor: Path, *, guard: Guard, consent: bool) -> Project:
    settings = ProjectFile(
        project="world",
        warehouse=WarehouseSettings(url=url),
        models={"users": Model(type="users", table="users", key="id", key_type="integer", fields=FIELDS)},
    )
    activation = EffectiveActivation(
        name="vips",
        audience="vips",
        model="users",
        destination="plain",
        destination_type="plain",
        service="plain.list",
        list_name="VIPs",
        mapping=activations.Mapping(identifiers={"email": "email"}, fields={"city": "city", "score": "score"}),
        consent=ConsentSettings(consent_at={"email": "consent_at"} if consent else {}),
        options={"consent": consent},
        schedule=Schedule(),
        trigger="on_change",
        guard=guard,
        foreign="keep",
        owners=[],
        tags={},
        fresh_within="26h",
        description=None,
        origins={},
    )
    return Project(
        root=root,
        settings=settings,
        segments={"vips": Segment(segment="vips")},
        destinations={"plain": Destination(type="plain", settings={"path": str(vendor)})},
        activations={},
        effective={"vips": activation},
    )


@dataclass
class World:
    """`people` is user key -> (email, city, score); `sync` makes the list equal to it."""

    runtime: Runtime
    vendor: PlainVendor
    users: sa.Table = field(init=False)

    def __post_init__(self) -> None:
        columns = [sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False)]
        kinds: dict[str, Any] = {
            "email": sa.String,
            "city": sa.String,
            "score": sa.BigInteger,
            "consent_at": sa.DateTime,
        }
        self.users = sa.Table("users", sa.MetaData(), *columns, *(sa.Column(n, t) for n, t in kinds.items()))
        self.users.metadata.create_all(self.runtime.engine)
        self.runtime.state.create()
        self.members.metadata.create_all(self.runtime.engine, tables=[self.members])

    @property
    def members(self) -> sa.Table:
        return self.runtime.state.segment("vips", "integer")

    def set_people(self, people: Mapping[int, Person], audience: Iterable[int]) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(self.users.delete())
            connection.execute(self.members.delete())
            rows = [{"id": k, "email": e, "city": c, "score": s} for k, (e, c, s) in people.items()]
            if rows:
                connection.execute(self.users.insert(), rows)
            present = [{"user_key": key, "entered_at": now()} for key in audience]
            if present:
                connection.execute(self.members.insert(), present)

    def sync(self, **options: Any) -> SyncReport:
        return run_sync(self.runtime, "vips", as_of=now(), **options)

    def ledger(self) -> dict[str, str]:
        name = self.runtime.state.table_name("list_vips")
        schema = self.runtime.state.metadata.schema
        table = sa.table(name, sa.column("identifier"), sa.column("status"), schema=schema)
        with self.runtime.engine.begin() as connection:
            return {row[0]: row[1] for row in connection.execute(sa.select(table.c.identifier, table.c.status))}


OPEN_GUARD = Guard(min_size=0, max_removed_percent=100)


def make_runtime(folder: Path, engine: sa.Engine, *, guard: Guard, consent: bool, batch: int = 10) -> Runtime:
    url = engine.url.render_as_string(hide_password=False)
    project = make_project(folder, url, folder / "vendor.sqlite", guard=guard, consent=consent)
    return Runtime(project, engine, State(engine), folder, {"plain": plain_destination(batch)})


def make_world(
    folder: Path, engine: sa.Engine, *, guard: Guard = OPEN_GUARD, consent: bool = False, batch: int = 10
) -> World:
    runtime = make_runtime(folder, engine, guard=guard, consent=consent, batch=batch)
    return World(runtime, PlainVendor(folder / "vendor.sqlite"))

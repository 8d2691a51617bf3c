"""A project folder with one audience, `vips`, whose list is at one vendor; its warehouse, and the vendor's twin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sync import Plan, Reconciliation, SyncReport, plan_sync, reconcile, run_sync

LIST_NAME = "VIPs"
ACTIVATION = "vips"
PROJECT = 'project: shop\nwarehouse: {url: "sqlite:///warehouse.db"}\nmodels:\n'
SEGMENT = f"label: {LIST_NAME}\nwhere: {{field: is_vip, op: is_true}}\n"
PERSONAL = ("email", "phone", "first_name")
TYPES: Mapping[type, str] = {str: "text", int: "integer", bool: "boolean"}


def users_table(*columns: str, **others: Any) -> sa.Table:
    """People by number, with columns of text and others, and whether they are in the audience."""
    return sa.Table(
        "users",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.String) for name in columns),
        *(sa.Column(name, kind) for name, kind in others.items()),
        sa.Column("is_vip", sa.Boolean),
    )


def model(table: sa.Table, kind: str) -> str:
    """The table as the project declares it."""
    [key] = table.primary_key.columns
    fields = [
        f"      {column.name}: {{type: {TYPES[column.type.python_type]}, pii: {column.name in PERSONAL}}}\n"
        for column in table.columns
        if column is not key
    ]
    head = f"  {table.name}:\n    type: {kind}\n    table: {table.name}\n    key: {key.name}\n    key_type: integer\n"
    return f"{head}    fields:\n{''.join(fields)}"


@dataclass
class VipShop(ABC):
    """`vips` says who is in the audience; `root` is the project's folder."""

    root: Path
    sandbox: Sandbox
    runtime: Runtime = field(init=False)

    users: ClassVar[sa.Table]

    def __post_init__(self) -> None:
        for folder in ("segments", "activations"):
            (self.root / folder).mkdir()
        (self.root / "project.yaml").write_text(PROJECT + self.models())
        (self.root / "segments/vips.yaml").write_text(SEGMENT)
        (self.root / "warehouse.db").touch()
        self.open()
        self.users.metadata.create_all(self.runtime.engine)

    def models(self) -> str:
        return model(self.users, "users")

    @abstractmethod
    def declared(self) -> tuple[str, str]:
        """`destinations.yaml` and the activation."""

    def open(self) -> None:
        """The project as it is declared now."""
        if hasattr(self, "runtime"):
            self.runtime.close()
        destinations, activation = self.declared()
        (self.root / "destinations.yaml").write_text(destinations)
        (self.root / f"activations/{ACTIVATION}.yaml").write_text(activation)
        self.runtime = Runtime.open(self.root)

    def insert(self, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of a table; what they leave out is null, and nobody is in the audience yet."""
        nothing = {**dict.fromkeys(table.columns.keys()), **({"is_vip": False} if "is_vip" in table.columns else {})}
        with self.runtime.engine.begin() as connection:
            connection.execute(table.insert(), [{**nothing, **row} for row in rows])

    def change_row(self, table: sa.Table, key: int, **values: Any) -> None:
        [column] = table.primary_key.columns
        with self.runtime.engine.begin() as connection:
            connection.execute(table.update().where(column == key).values(**values))

    def vips(self, keys: Iterable[int]) -> None:
        """The segment is exactly these from now on."""
        chosen = list(keys)
        with self.runtime.engine.begin() as connection:
            connection.execute(self.users.update().values(is_vip=self.users.c.id.in_(chosen)))
        refresh_segment(self.runtime.engine, self.runtime.state, self.runtime.project, "vips", datetime.now(UTC))

    def plan(self) -> Plan:
        return plan_sync(self.runtime, ACTIVATION, as_of=datetime.now(UTC))

    def sync(self) -> SyncReport:
        return run_sync(self.runtime, ACTIVATION, as_of=datetime.now(UTC))

    def reconcile(self, *, apply: bool = True) -> Reconciliation:
        return reconcile(self.runtime, ACTIVATION, apply=apply, settling=timedelta(0))

    def calls(self, endpoint: str) -> int:
        return sum(entry.endpoint == endpoint for entry in self.sandbox.requests)

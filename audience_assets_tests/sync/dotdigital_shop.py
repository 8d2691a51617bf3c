"""A project folder with one audience and a Dotdigital list, its warehouse, and the account it is synced to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.dotdigital import DotdigitalAccount, DotdigitalSandbox
from audience_assets.sync import Plan, Reconciliation, SyncReport, plan_sync, reconcile, run_sync
from audience_assets_tests.destinations.dotdigital_world import PASSWORD, USER

LIST_NAME = "VIPs"
METADATA = sa.MetaData()
USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("phone", sa.String),
    sa.Column("contact_id", sa.BigInteger),
    sa.Column("is_vip", sa.Boolean),
)

PROJECT = """\
project: shop
warehouse: {url: "sqlite:///warehouse.db"}
models:
  users:
    type: users
    table: users
    key: id
    key_type: integer
    fields:
      email: {type: text, pii: true}
      phone: {type: text, pii: true}
      contact_id: {type: integer}
      is_vip: {type: boolean}
"""
SEGMENT = "label: VIPs\nwhere: {field: is_vip, op: is_true}\n"
DESTINATIONS = """\
destinations:
  dotdigital:
    type: dotdigital
    api_user: {{env: DOTDIGITAL_USER}}
    password: {{env: DOTDIGITAL_PASSWORD}}
    base_url: {url}
    first_poll_seconds: 0
    first_wait_seconds: 0
    tries: 3
    batch_size: 20
"""
ACTIVATION = """\
segment: vips
destination: dotdigital
mapping: {{identifiers: {{{identifier}: {identifier}}}}}
options: {{identifier: {identifier}{more}}}
guard: {{max_removed_percent: 100}}
"""


@dataclass
class DotdigitalShop:
    """`vips` says who is in the audience; `root` is the project's folder."""

    root: Path
    sandbox: Sandbox
    account: DotdigitalAccount
    identifier: str
    runtime: Runtime = field(init=False)

    def __post_init__(self) -> None:
        for folder in ("segments", "activations"):
            (self.root / folder).mkdir()
        (self.root / "project.yaml").write_text(PROJECT)
        (self.root / "segments/vips.yaml").write_text(SEGMENT)
        (self.root / "destinations.yaml").write_text(DESTINATIONS.format(url=self.sandbox.url_of("dotdigital")))
        (self.root / "warehouse.db").touch()
        self.runtime = self.choose()
        METADATA.create_all(self.runtime.engine)

    def choose(self, more: str = "") -> Runtime:
        """The project opened anew, with more options of the activation."""
        text = ACTIVATION.format(identifier=self.identifier, more=f", {more}" if more else "")
        (self.root / "activations/vips.yaml").write_text(text)
        if hasattr(self, "runtime"):
            self.runtime.close()
        self.runtime = Runtime.open(self.root)
        return self.runtime

    def users(self, *rows: Mapping[str, object]) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(
                USERS.insert(), [{"phone": None, "contact_id": None, "is_vip": False, **r} for r in rows]
            )

    def vips(self, keys: Iterable[int]) -> None:
        """The segment is exactly these from now on."""
        chosen = list(keys)
        with self.runtime.engine.begin() as connection:
            connection.execute(USERS.update().values(is_vip=USERS.c.id.in_(chosen)))
        refresh_segment(self.runtime.engine, self.runtime.state, self.runtime.project, "vips", datetime.now(UTC))

    def plan(self) -> Plan:
        return plan_sync(self.runtime, "vips", as_of=datetime.now(UTC))

    def sync(self) -> SyncReport:
        return run_sync(self.runtime, "vips", as_of=datetime.now(UTC))

    def reconcile(self, *, apply: bool = True) -> Reconciliation:
        return reconcile(self.runtime, "vips", apply=apply, settling=timedelta(0))

    @property
    def list_id(self) -> int:
        return self.account.list_named(LIST_NAME).id

    def listed(self) -> set[str | None]:
        self.account.finish_jobs()
        return {contact.email or contact.mobile for contact in self.account.members(self.list_id)}

    def calls(self, endpoint: str) -> int:
        return sum(entry.endpoint == endpoint for entry in self.sandbox.requests)


MakeShop = Callable[..., DotdigitalShop]


@pytest.fixture
def make_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeShop]:
    """Makes one shop for a choice of identifier."""
    monkeypatch.setenv("DOTDIGITAL_USER", USER)
    monkeypatch.setenv("DOTDIGITAL_PASSWORD", PASSWORD)
    vendor = DotdigitalSandbox(rate_limits=False)
    made: list[DotdigitalShop] = []
    with Sandbox([vendor]) as sandbox:

        def make(identifier: str = "email") -> DotdigitalShop:
            account = vendor.account("demo", user=USER, password=PASSWORD)
            made.append(DotdigitalShop(tmp_path, sandbox, account, identifier))
            return made[-1]

        yield make
    for shop in made:
        shop.runtime.close()

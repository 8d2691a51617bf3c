"""A project folder with one audience and a Klaviyo audience list, its warehouse, and the account it is synced to.

The segment is built on `users`; names, numbers and tiers stand in another table, `merged_customers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox, KlaviyoSwitches
from audience_assets.sync import Plan, Reconciliation, SyncReport, plan_sync, reconcile, run_sync

KEY = "pk_test_0123456789abcdef"
LIST_NAME = "VIPs"
METADATA = sa.MetaData()
USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("is_vip", sa.Boolean),
)
MERGED = sa.Table(
    "merged_customers",
    METADATA,
    sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("phone", sa.String),
    sa.Column("first_name", sa.String),
    sa.Column("city", sa.String),
    sa.Column("tier", sa.String),
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
      is_vip: {type: boolean}
  merged_customers:
    type: custom
    table: merged_customers
    key: customer_id
    key_type: integer
    fields:
      phone: {type: text, pii: true}
      first_name: {type: text, pii: true}
      city: {type: text}
      tier: {type: text}
"""
SEGMENT = "label: VIPs\nwhere: {field: is_vip, op: is_true}\n"
DESTINATIONS = """\
destinations:
  klaviyo:
    type: klaviyo
    api_key: {{env: KLAVIYO_API_KEY}}
    base_url: {url}
    import_poll_seconds: 0
    first_wait_seconds: 0
    settle_seconds: 0
    import_patience_seconds: 0
    tries: 3
    profiles_per_import: 20
"""
ACTIVATION = """\
segment: vips
destination: klaviyo
service: klaviyo.audience_list
guard: {{max_removed_percent: 100}}
{more}"""
BY_EMAIL = "mapping: {identifiers: {email: email}}\n"


@dataclass
class AudienceShop:
    """`vips` says who is in the audience; `root` is the project's folder."""

    root: Path
    sandbox: Sandbox
    account: KlaviyoAccount
    more: str = BY_EMAIL
    defaults: str = ""
    runtime: Runtime = field(init=False)

    def __post_init__(self) -> None:
        for folder in ("segments", "activations"):
            (self.root / folder).mkdir()
        (self.root / "project.yaml").write_text(PROJECT)
        (self.root / "segments/vips.yaml").write_text(SEGMENT)
        self.open()
        METADATA.create_all(self.runtime.engine)

    def open(self) -> None:
        """The project as it is declared now."""
        if hasattr(self, "runtime"):
            self.runtime.close()
        text = DESTINATIONS.format(url=self.sandbox.url) + self.defaults
        (self.root / "destinations.yaml").write_text(text)
        (self.root / "activations/vips.yaml").write_text(ACTIVATION.format(more=self.more))
        (self.root / "warehouse.db").touch()
        self.runtime = Runtime.open(self.root)

    def people(self, *rows: Mapping[str, Any]) -> None:
        """Rows of both tables: id, email, and what `merged_customers` holds."""
        nothing = dict.fromkeys(("phone", "first_name", "city", "tier"))
        with self.runtime.engine.begin() as connection:
            users = [{"id": row["id"], "email": row["email"], "is_vip": False} for row in rows]
            connection.execute(USERS.insert(), users)
            kept = [{"customer_id": row["id"], **nothing, **_without(row, "id", "email")} for row in rows]
            connection.execute(MERGED.insert(), kept)

    def change(self, key: int, **values: Any) -> None:
        """Change somebody's row of `merged_customers`."""
        with self.runtime.engine.begin() as connection:
            connection.execute(MERGED.update().where(MERGED.c.customer_id == key).values(**values))

    def move(self, key: int, email: str) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(USERS.update().where(USERS.c.id == key).values(email=email))

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
    def list_id(self) -> str:
        return self.account.list_named(LIST_NAME).id

    def listed(self) -> set[str | None]:
        self.account.finish_jobs()
        return {profile.email for profile in self.account.members(self.list_id)}

    def profile(self, email: str) -> dict[str, Any]:
        """Attributes of a profile, with its phone number."""
        self.account.finish_jobs()
        found = self.account.find(email)
        assert found is not None
        return {"phone_number": found.phone_number, **(found.attributes or {})}

    def calls(self, endpoint: str) -> int:
        return sum(entry.endpoint == endpoint for entry in self.sandbox.requests)


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


MakeShop = Callable[..., AudienceShop]


@pytest.fixture
def make_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeShop]:
    """Makes one shop; `more` is what its activation says further, `defaults` what its destination does."""
    monkeypatch.setenv("KLAVIYO_API_KEY", KEY)
    switches = KlaviyoSwitches(consent_delay=0.0, job_queued=0.0, job_processing=0.0)
    vendor = KlaviyoSandbox(rate_limits=False, switches=switches)
    made: list[AudienceShop] = []
    with Sandbox([vendor]) as sandbox:

        def make(more: str = BY_EMAIL, defaults: str = "") -> AudienceShop:
            account = vendor.account("demo", key=KEY)
            made.append(AudienceShop(tmp_path, sandbox, account, more, defaults))
            return made[-1]

        yield make
    for shop in made:
        shop.runtime.close()

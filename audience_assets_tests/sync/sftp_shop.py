"""A project folder with one audience that is imported to Klaviyo by SFTP, and the account that it goes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox
from audience_assets.sandbox.klaviyo.sftp_keys import key_pair
from audience_assets.sync import Plan, SyncReport, plan_sync, run_sync

KEY, USER = "pk_test_0123456789abcdef", "AbC123_sandbox"
OURS = key_pair("our key")
SECRETS = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_SFTP_PRIVATE_KEY": OURS.private}
METADATA = sa.MetaData()
USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("phone", sa.String),
    sa.Column("tier", sa.String),
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
      tier: {type: text}
      is_vip: {type: boolean}
"""
SEGMENT = "label: VIPs\nwhere: {field: is_vip, op: is_true}\n"
DESTINATIONS = """\
destinations:
  klaviyo:
    type: klaviyo
    base_url: %(url)s
    first_wait_seconds: 0
    tries: 2
    sftp_host: 127.0.0.1
    sftp_port: %(port)s
    sftp_username: AbC123_sandbox
    sftp_private_key: {env: KLAVIYO_SFTP_PRIVATE_KEY}
    sftp_host_keys: ["%(fingerprint)s"]
"""
WITH_KEY = "    api_key: {env: KLAVIYO_API_KEY}\n"
ACTIVATION = """\
segment: vips
destination: klaviyo
guard: {max_removed_percent: 100}
"""
SFTP_IMPORT = """\
service: klaviyo.sftp_import
mapping:
  identifiers: {email: email, phone: phone}
  fields: {tier: tier}
"""


@dataclass
class SftpShop:
    """`vips` says who is in the audience; `root` is the project's folder."""

    root: Path
    sandbox: Sandbox
    account: KlaviyoAccount
    activation: str = SFTP_IMPORT
    account_settings: str = WITH_KEY
    runtime: Runtime = field(init=False)

    def __post_init__(self) -> None:
        for folder in ("segments", "activations"):
            (self.root / folder).mkdir()
        (self.root / "project.yaml").write_text(PROJECT)
        (self.root / "segments/vips.yaml").write_text(SEGMENT)
        self.write()
        (self.root / "warehouse.db").touch()
        self.runtime = Runtime.open(self.root)
        METADATA.create_all(self.runtime.engine)

    def write(self) -> None:
        host = self.sandbox.klaviyo.sftp
        values = {"url": self.sandbox.url, "port": host.port, "fingerprint": host.host_key.fingerprint}
        (self.root / "destinations.yaml").write_text(DESTINATIONS % values + self.account_settings)
        (self.root / "activations/vips.yaml").write_text(ACTIVATION + self.activation)

    def people(self, count: int) -> None:
        same = {"phone": None, "tier": "gold", "is_vip": False}
        rows = [{"id": number, "email": email(number), **same} for number in range(1, count + 1)]
        with self.runtime.engine.begin() as connection:
            connection.execute(USERS.insert(), rows)

    def change(self, key: int, **values: Any) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(USERS.update().where(USERS.c.id == key).values(**values))

    def vips(self, keys: Iterable[int]) -> None:
        """The segment is exactly these from now on."""
        with self.runtime.engine.begin() as connection:
            connection.execute(USERS.update().values(is_vip=USERS.c.id.in_(list(keys))))
        refresh_segment(self.runtime.engine, self.runtime.state, self.runtime.project, "vips", datetime.now(UTC))

    def plan(self) -> Plan:
        return plan_sync(self.runtime, "vips", as_of=datetime.now(UTC))

    def sync(self) -> SyncReport:
        return run_sync(self.runtime, "vips", as_of=datetime.now(UTC))

    def members(self, list_id: str | None = None) -> set[str | None]:
        """Who is in the list once every file is carried out."""
        self.account.finish_jobs()
        found = list_id or self.account.list_named("VIPs").id
        return {profile.email for profile in self.account.members(found)}

    def files(self) -> list[str]:
        return [name for name in self.account.sftp_files.names("/profiles") if name.endswith(".csv")]

    def imported(self) -> list[int]:
        """Rows of each file that was carried out."""
        self.account.finish_jobs()
        return [result.rows for result in self.account.sftp_results]

    def calls(self, method: str) -> int:
        return sum(entry.method == method for entry in self.sandbox.requests)


def email(number: int) -> str:
    return f"p{number}@shop-customers.com"


def emails(*numbers: int) -> set[str | None]:
    return {email(number) for number in numbers}


MakeSftpShop = Callable[..., SftpShop]


@pytest.fixture
def make_sftp_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeSftpShop]:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    vendor = KlaviyoSandbox(rate_limits=False, sftp_port=0)
    account = vendor.account("demo", key=KEY)
    vendor.sftp_user(USER, "demo", OURS.public)
    made: list[SftpShop] = []

    def make(**settings: str) -> SftpShop:
        root = tmp_path / f"shop{len(made)}"
        root.mkdir()
        made.append(SftpShop(root, sandbox, account, **settings))
        return made[-1]

    with Sandbox([vendor]) as sandbox:
        yield make
        for shop in made:
            shop.runtime.close()

"""VIPs imported to Klaviyo by SFTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox
from audience_assets.sandbox.klaviyo.sftp_keys import key_pair
from audience_assets_tests.sync.vip_shop import LIST_NAME, VipShop, users_table

KEY, USER = "pk_test_0123456789abcdef", "AbC123_sandbox"
OURS = key_pair("our key")
SECRETS = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_SFTP_PRIVATE_KEY": OURS.private}
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
class SftpShop(VipShop):
    """`activation` and `account_settings` are further lines of YAML."""

    account: KlaviyoAccount
    activation: str = SFTP_IMPORT
    account_settings: str = WITH_KEY

    users: ClassVar[sa.Table] = users_table("email", "phone", "tier")

    def declared(self) -> tuple[str, str]:
        host = self.sandbox.klaviyo.sftp
        values = {"url": self.sandbox.url, "port": host.port, "fingerprint": host.host_key.fingerprint}
        return DESTINATIONS % values + self.account_settings, ACTIVATION + self.activation

    def people(self, count: int) -> None:
        self.insert(self.users, [{"id": n, "email": email(n), "tier": "gold"} for n in range(1, count + 1)])

    def change(self, key: int, **values: Any) -> None:
        self.change_row(self.users, key, **values)

    def members(self, list_id: str | None = None) -> set[str | None]:
        """Who is in the list once every file is carried out."""
        self.account.finish_jobs()
        found = list_id or self.account.list_named(LIST_NAME).id
        return {profile.email for profile in self.account.members(found)}

    def files(self) -> list[str]:
        return [name for name in self.account.sftp_files.names("/profiles") if name.endswith(".csv")]

    def imported(self) -> list[int]:
        """Rows of each file that was carried out."""
        self.account.finish_jobs()
        return [result.rows for result in self.account.sftp_results]

    def calls_by(self, method: str) -> int:
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

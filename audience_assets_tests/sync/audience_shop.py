"""VIPs kept in a Klaviyo audience list.

The segment is built on `users`; names, numbers and tiers stand in another table, `merged_customers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox, KlaviyoSwitches
from audience_assets_tests.sync.vip_shop import LIST_NAME, VipShop, model, users_table

KEY = "pk_test_0123456789abcdef"
USERS = users_table("email")
MERGED = sa.Table(
    "merged_customers",
    USERS.metadata,
    sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.String) for name in ("phone", "first_name", "city", "tier")),
)
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
class AudienceShop(VipShop):
    """`more` is what its activation says further, `defaults` what its destination does."""

    account: KlaviyoAccount
    more: str = BY_EMAIL
    defaults: str = ""

    users: ClassVar[sa.Table] = USERS

    def models(self) -> str:
        return super().models() + model(MERGED, "custom")

    def declared(self) -> tuple[str, str]:
        return DESTINATIONS.format(url=self.sandbox.url) + self.defaults, ACTIVATION.format(more=self.more)

    def people(self, *rows: Mapping[str, Any]) -> None:
        """Rows of both tables: id, email, and what `merged_customers` holds."""
        self.insert(USERS, [{"id": row["id"], "email": row["email"]} for row in rows])
        self.insert(MERGED, [{"customer_id": row["id"], **_without(row, "id", "email")} for row in rows])

    def change(self, key: int, **values: Any) -> None:
        """Change somebody's row of `merged_customers`."""
        self.change_row(MERGED, key, **values)

    def move(self, key: int, email: str) -> None:
        self.change_row(USERS, key, email=email)

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

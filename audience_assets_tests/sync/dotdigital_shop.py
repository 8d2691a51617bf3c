"""VIPs kept in a Dotdigital list, by one of its identifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import sqlalchemy as sa

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.dotdigital import DotdigitalAccount, DotdigitalSandbox
from audience_assets_tests.destinations.dotdigital_world import PASSWORD, USER
from audience_assets_tests.sync.vip_shop import LIST_NAME, VipShop, users_table

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
class DotdigitalShop(VipShop):
    """`more` are further options."""

    account: DotdigitalAccount
    identifier: str
    more: str = ""

    users: ClassVar[sa.Table] = users_table("email", "phone", contact_id=sa.BigInteger)

    def declared(self) -> tuple[str, str]:
        more = f", {self.more}" if self.more else ""
        activation = ACTIVATION.format(identifier=self.identifier, more=more)
        return DESTINATIONS.format(url=self.sandbox.url_of("dotdigital")), activation

    def choose(self, more: str = "") -> None:
        """The project opened anew, with more options of the activation."""
        self.more = more
        self.open()

    def people(self, *rows: Mapping[str, object]) -> None:
        self.insert(self.users, rows)

    @property
    def list_id(self) -> int:
        return self.account.list_named(LIST_NAME).id

    def listed(self) -> set[str | None]:
        self.account.finish_jobs()
        return {contact.email or contact.mobile for contact in self.account.members(self.list_id)}


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

"""The bookshop whose readers are an Emarsys contact list, and its account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import sqlalchemy as sa

from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.emarsys import EmarsysAccount, EmarsysSandbox
from audience_assets.sync import Reconciliation, SyncReport, reconcile
from audience_assets_tests.vendors import emarsys, shop

ACTIVATION, LIST_NAME = "readers", shop.LIST_NAME


@dataclass
class Bookshop:
    """The project and its vendor. Who has bought a book is a reader."""

    runtime: Runtime
    vendor: emarsys.ContactList
    sandbox: Sandbox

    @property
    def account(self) -> EmarsysAccount:
        return self.vendor.account

    def readers(self, emails: Collection[str]) -> None:
        """From now on these are the readers; guests keep their number by their address."""
        shop.set_readers(self.runtime.engine, [shop.guest(crc32(each.lower().encode()), each) for each in emails])
        shop.refresh(self.runtime, self.runtime.now())

    def sync(self) -> SyncReport:
        return shop.sync(self.runtime, ACTIVATION)

    def reconcile(self) -> Reconciliation:
        return reconcile(self.runtime, ACTIVATION, apply=True, settling=timedelta(0))

    def know(self, *emails: str) -> None:
        self.vendor.know(emails)

    def listed(self) -> list[str]:
        return sorted(self.vendor.listed(LIST_NAME))


def open_bookshop(folder: Path, engine: sa.Engine, options: dict[str, str] | None = None, **vendor: Any) -> Bookshop:
    """The shop on a warehouse with its empty table. The caller stops `sandbox` and closes `runtime`."""
    sandbox = Sandbox([EmarsysSandbox(**vendor)]).start()
    account = emarsys.ContactList.open(sandbox, "bookshop", {"options": options or {}})
    accounts = {ACTIVATION: (account, sandbox.url_of("emarsys"))}
    shop.write_project(folder, accounts)
    shop.GUESTS.create(engine)
    url = engine.url.render_as_string(hide_password=False)
    engine.dispose()  # DuckDB takes one opener at a time
    return Bookshop(shop.open_project(folder, accounts, url), account, sandbox)

"""A bookshop declared in YAML whose readers are an Emarsys contact list, and the account in the sandbox."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.emarsys import EmarsysAccount, EmarsysSandbox
from audience_assets.sync import Reconciliation, SyncReport, reconcile, run_sync

ACTIVATION = LIST_NAME = "readers"
CLIENT = ("bookshop", "hush-hush")

PROJECT = """
project: bookshop
warehouse: {url: "sqlite://"}
models:
  guests:
    type: users
    table: guests
    key: id
    key_type: integer
    fields: {email: {type: text}, books: {type: integer}}
"""
DESTINATIONS = """
destinations:
  emarsys:
    type: emarsys
    client_id: {env: EMARSYS_CLIENT_ID}
    client_secret: {env: EMARSYS_CLIENT_SECRET}
    base_url: URL
    token_url: URL/oauth2/token
    tries: 3
    first_wait_seconds: 0
    default_activation:
      service: emarsys.contact_list
      mapping: {identifiers: {email: email}}
      guard: {min_size: 0, max_removed_percent: 100}
"""
GUESTS = sa.Table(
    "guests",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("books", sa.BigInteger),
)


@dataclass
class Bookshop:
    """The project and its vendor. Who has bought a book is a reader."""

    runtime: Runtime
    account: EmarsysAccount
    sandbox: Sandbox

    def readers(self, emails: Collection[str]) -> None:
        """From now on these are the readers; guests keep their number by their address."""
        rows = [{"id": crc32(email.lower().encode()), "email": email, "books": 1} for email in emails]
        with self.runtime.engine.begin() as connection:
            connection.execute(GUESTS.delete())
            connection.execute(GUESTS.insert(), rows)

    def sync(self) -> SyncReport:
        runtime, now = self.runtime, self.runtime.now()
        refresh_segment(runtime.engine, runtime.state, runtime.project, ACTIVATION, now)
        return run_sync(runtime, ACTIVATION, as_of=now)

    def reconcile(self) -> Reconciliation:
        return reconcile(self.runtime, ACTIVATION, apply=True, settling=timedelta(0))

    def know(self, *emails: str) -> None:
        self.account.add_contacts({"email": email} for email in emails)

    def listed(self) -> list[str]:
        found = self.account.list_named(LIST_NAME)
        return sorted(each.email or "" for each in self.account.members(found.id))


def write_project(folder: Path, url: str, options: str = "{}") -> None:
    """The project's files; `url` is Emarsys'."""
    files = {
        "project.yaml": PROJECT,
        "segments/readers.yaml": "where: {field: books, op: gte, value: 1}\n",
        "destinations.yaml": DESTINATIONS.replace("URL", url),
        "activations/readers.yaml": f"segment: readers\ndestination: emarsys\noptions: {options}\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def open_bookshop(
    folder: Path, engine: sa.Engine, patched: pytest.MonkeyPatch, *, options: str = "{}", **vendor: Any
) -> Bookshop:
    """The shop on a warehouse with its empty table. The caller stops `sandbox` and closes `runtime`."""
    twin = EmarsysSandbox(**vendor)
    account = twin.account("bookshop", client=CLIENT)
    sandbox = Sandbox([twin]).start()
    write_project(folder, sandbox.url_of("emarsys"), options)
    patched.setenv("EMARSYS_CLIENT_ID", CLIENT[0])
    patched.setenv("EMARSYS_CLIENT_SECRET", CLIENT[1])
    GUESTS.create(engine)
    url = engine.url.render_as_string(hide_password=False)
    engine.dispose()  # DuckDB takes one opener at a time
    return Bookshop(Runtime.open(folder, url=url), account, sandbox)

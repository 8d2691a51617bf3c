"""A bookshop declared in YAML: whoever has bought a book is a reader, and readers are kept in lists at vendors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.destinations.base import DestinationType
from audience_assets.runtime import Runtime
from audience_assets.sync import GuardTripped, SyncReport, run_sync
from audience_assets_tests.conftest import unsafe_but_fast
from audience_assets_tests.vendors.account import VendorAccount

SEGMENT = "readers"
LIST_NAME = "Readers"
PROJECT = """
project: bookshop
warehouse: {url: "sqlite://"}
models:
  guests: {type: users, table: guests, key: id, key_type: integer, fields: {
    email: {type: text}, city: {type: text}, books: {type: integer}, opted_in_at: {type: timestamp}}}
"""
GUESTS = sa.Table(
    "guests",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("city", sa.String),
    sa.Column("books", sa.BigInteger),
    sa.Column("opted_in_at", sa.DateTime),
)
OPTED_IN_AT = datetime(2026, 7, 1)


def email(key: int) -> str:
    return f"p{key}@x.com"


def guest(key: int, email: str, city: str = "Oslo") -> dict[str, Any]:
    """A row of the table: somebody who has bought a book."""
    return {"id": key, "email": email, "city": city, "books": 1, "opted_in_at": OPTED_IN_AT}


def write_project(folder: Path, accounts: Mapping[str, tuple[VendorAccount, str]], list_name: str = LIST_NAME) -> None:
    """Activation -> its account and the twin's address. A destination for each, of the activation's name."""
    for sub in ("segments", "activations"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / "project.yaml").write_text(PROJECT)
    (folder / f"segments/{SEGMENT}.yaml").write_text("where: {field: books, op: gte, value: 1}\n")
    destinations = [destination(name, account, url) for name, (account, url) in accounts.items()]
    (folder / "destinations.yaml").write_text("\n".join(["destinations:", *destinations, ""]))
    for name, (account, _) in accounts.items():
        (folder / f"activations/{name}.yaml").write_text(activation(name, account, list_name))


def destination(name: str, account: VendorAccount, url: str) -> str:
    """Its YAML; secrets are named as variables of the environment, which `environment` holds."""
    kind = account.kind()
    lines = [f"  {name}:", f"    type: {kind.name}"]
    for setting, value in account.settings(url).items():
        told = f"{{env: {variable(name, setting)}}}" if setting in kind.secret_fields else f'"{value}"'
        lines.append(f"    {setting}: {told}")
    return "\n".join(lines)


def activation(name: str, account: VendorAccount, list_name: str) -> str:
    fields = "{city: city}" if account.kind().services[account.service].carries_attributes else "{}"
    lines = [
        f"segment: {SEGMENT}",
        f"destination: {name}",
        f"service: {account.service}",
        f"list_name: {list_name}",
        f"mapping: {{identifiers: {{email: email}}, fields: {fields}}}",
        "guard: {min_size: 0, max_removed_percent: 100}",
        *(f"{key}: {_flow(value)}" for key, value in account.activation.items()),
        f"options: {_flow(account.options)}",
    ]
    return "\n".join([*lines, ""])


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    return str(value)


def variable(destination: str, setting: str) -> str:
    return f"{destination}_{setting}".upper()


def environment(accounts: Mapping[str, tuple[VendorAccount, str]]) -> dict[str, str]:
    """Secrets by variable."""
    return {
        variable(name, setting): value
        for name, (account, url) in accounts.items()
        for setting, value in account.settings(url).items()
        if setting in account.kind().secret_fields
    }


def open_project(
    folder: Path,
    accounts: Mapping[str, tuple[VendorAccount, str]],
    url: str,
    destinations: Mapping[str, DestinationType] | None = None,
) -> Runtime:
    """The project as a process of its own would open it, with its secrets."""
    kinds = destinations or {account.kind().name: account.kind() for account, _ in accounts.values()}
    runtime = Runtime.open(folder, url=url, destinations=kinds)
    unsafe_but_fast(runtime.engine)
    for name, (account, address) in accounts.items():
        runtime.settings[name] = account.kind().settings_model.model_validate(account.settings(address))
    return runtime


def set_readers(engine: sa.Engine, rows: Sequence[Mapping[str, Any]]) -> None:
    """These are the readers from now on."""
    with engine.begin() as connection:
        connection.execute(GUESTS.delete())
        if rows:
            connection.execute(GUESTS.insert(), list(rows))


def refresh(runtime: Runtime, now: datetime) -> None:
    refresh_segment(runtime.engine, runtime.state, runtime.project, SEGMENT, now)


def sync(runtime: Runtime, name: str, now: datetime | None = None) -> SyncReport:
    """Deliver. A plan that a guard stops is looked at by a person, who lets it through."""
    now = now or datetime.now(UTC)
    try:
        return run_sync(runtime, name, as_of=now)
    except GuardTripped as stopped:
        return run_sync(runtime, name, as_of=now, approve=stopped.plan.fingerprint)

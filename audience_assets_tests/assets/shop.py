"""A shop of thirty customers, two segments and two lists at a Klaviyo in the sandbox, driven through Dagster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import sqlalchemy as sa

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount

KEY = "pk_never_to_be_seen_0123456789"
PEOPLE = 30

FILES = {
    "project.yaml": """
project: shop
timezone: Europe/Paris
warehouse: {url: {env: SHOP_WAREHOUSE_URL}}
models:
  customers:
    type: users
    table: customers
    key: id
    key_type: integer
    watermark: revision
    fields:
      revision: {type: integer}
      email: {type: text, pii: true}
      score: {type: integer}
      consent_at: {type: timestamp}
""",
    "destinations.yaml": """
destinations:
  klaviyo:
    type: klaviyo
    api_key: {env: KLAVIYO_API_KEY}
    base_url: {env: KLAVIYO_BASE_URL}
    account: shop
    tries: 2
    first_wait_seconds: 0
    settle_seconds: 0
    default_activation:
      service: klaviyo.subscription_list
      mapping: {identifiers: {email: email}}
      consent: {import_history: true, consent_at: {email: consent_at}}
      owners: ["team:crm"]
      fresh_within: 26h
      guard: {max_removed_percent: 30}
""",
    "segments/everybody.yaml": """
segment: everybody
label: Everybody
description: All with an address
where: {field: email, op: is_set}
""",
    "segments/best.yaml": """
segment: best
label: Best customers
owners: ["ann@shop.example"]
tags: [loyalty]
max_size_change_percent: 50
where:
  all:
    - {field: score, op: gte, value: 20}
    - {segment: everybody}
""",
    "activations/news.yaml": "{segment: everybody, destination: klaviyo, list_name: News}\n",
    "activations/best.yaml": "{segment: best, destination: klaviyo, schedule: {cadence: hourly, at: '00:15'}}\n",
}

CUSTOMERS = sa.Table(
    "customers",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger),
    sa.Column("email", sa.String),
    sa.Column("score", sa.BigInteger),
    sa.Column("consent_at", sa.DateTime),
)


def newest_day() -> str:
    return datetime.now(ZoneInfo("Europe/Paris")).date().isoformat()


def address(number: int) -> str:
    return f"person{number}@shop-customers.com"


def write_project(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """The files above; `changes` replaces some by name."""
    for name, text in {**FILES, **(changes or {})}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@dataclass
class Shop:
    """The shop with its Dagster. `revision` grows with every change, as a watermark does."""

    folder: Path
    engine: sa.Engine
    sandbox: Sandbox
    account: KlaviyoAccount
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    revision: int = 1

    def change(self, rows: Iterable[int], **values: Any) -> None:
        """Change columns of customers."""
        self.revision += 1
        with self.engine.begin() as connection:
            connection.execute(
                CUSTOMERS.update().where(CUSTOMERS.c.id.in_(list(rows))).values(revision=self.revision, **values)
            )

    def materialize(
        self, *selection: str, partition: str | None = None, ops: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run assets (as `segment/best`; all by default) for a sync day (the newest by default)."""
        keys = [dg.AssetKey.from_user_string(each) for each in selection] or None
        job = self.definitions.resolve_implicit_global_asset_job_def()
        partitioned = keys is None or any(key.path[0] == "klaviyo" for key in keys)
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=keys,
            partition_key=(partition or newest_day()) if partitioned else None,
            run_config={"ops": ops or {}},
            raise_on_error=False,
        )

    def sensor(self, name: str) -> dg.SensorDefinition:
        return self.definitions.resolve_sensor_def(name)

    def tick(self, name: str, cursor: str | None = None) -> Any:
        """What a sensor answers now."""
        resources = {key: (self.definitions.resources or {})[key] for key in self.sensor(name).required_resource_keys}
        with dg.build_sensor_context(
            instance=self.instance, cursor=cursor, resources=resources, definitions=self.definitions
        ) as context:
            return self.sensor(name).evaluate_tick(context)

    def members(self, list_name: str) -> set[str | None]:
        """Who is in a list at Klaviyo."""
        self.account.finish_jobs()
        return {profile.email for profile in self.account.members(self.account.list_named(list_name).id)}

    def newest(self, key: str) -> dg.AssetMaterialization:
        event = self.instance.get_latest_materialization_event(dg.AssetKey.from_user_string(key))
        assert event is not None and event.asset_materialization is not None
        return event.asset_materialization

    def numbers(self, key: str) -> dict[str, Any]:
        """Metadata of the newest materialization."""
        return {name: value.value for name, value in self.newest(key).metadata.items()}

    def writes(self) -> int:
        """Calls so far that may change something at Klaviyo."""
        return sum(entry.method != "GET" for entry in self.sandbox.requests)

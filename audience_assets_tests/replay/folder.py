"""The shop's project folder, as a team would write it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from audience_assets_tests.replay.vendor import Vendors
from audience_assets_tests.vendors import shop

URL = "REPLAY_WAREHOUSE_URL"
SEGMENTS = ("active", "big_spenders", "lapsed")

PROJECT = f"""\
project: online_retail
timezone: UTC

warehouse:
  url: {{env: {URL}}}

models:
  customers:
    type: users
    table: customers
    key: customer_id
    key_type: integer
    fields:
      email: {{type: text, pii: true}}
      country: {{type: text}}
      first_order_at: {{type: timestamp}}

  transactions:
    type: events
    table: transactions
    key: line
    key_type: integer
    timestamp: invoiced_at
    description: Invoice lines that are sales; cancellations, corrections and gifts are left out
    base_filter:
      all:
        - not: {{field: invoice_no, op: starts_with, value: C}}
        - {{field: quantity, op: gt, value: 0}}
        - {{field: unit_price, op: gt, value: 0}}
    fields:
      invoice_no: {{type: text}}
      quantity: {{type: integer}}
      unit_price: {{type: number}}

relationships:
  - {{from: customers, to: transactions, kind: has_many, on: {{customer_id: customer_id}}}}

calculated_fields:
  transactions:
    amount: {{formula: quantity * unit_price}}
"""

# On a real shop's worst day, the first after Christmas, 21 % leave; half a load takes half of everybody.
ACTIVATION = """\
segment: {segment}
destination: {destination}
service: {service}
list_name: "{{segment_label}}{suffix}"
mapping:
  identifiers: {{email: email}}
guard: {{max_removed_percent: 25}}
"""
CONSENT = """\
consent:
  import_history: true
  consent_at: {email: first_order_at}
"""


class Delivery(NamedTuple):
    """A segment's list at a service."""

    service: str
    segment: str

    @property
    def activation(self) -> str:
        return f"{self.segment}_{self.destination}"

    @property
    def destination(self) -> str:
        return self.service.replace(".", "_")


ACTIVE = """\
segment: active
label: Active
description: Ordered in the last 30 days
where:
  related: transactions
  window: {within: 30d}
"""

BIG_SPENDERS = """\
segment: big_spenders
label: Big spenders
description: Spent at least 500 in the last 90 days
where:
  related: transactions
  measure: "sum:amount"
  window: {within: 90d}
  op: gte
  value: 500
"""

LAPSED = """\
segment: lapsed
label: Lapsed
description: No order for 60 days, after at least two
where:
  all:
    - related: transactions
      measure: "count_distinct:invoice_no"
      window: {all_time: true}
      op: gte
      value: 2
    - related: transactions
      window: {within: 60d}
      quantifier: none
"""


def deliveries(services: Iterable[str]) -> list[Delivery]:
    """Segment by segment."""
    return [Delivery(service, segment) for segment in SEGMENTS for service in services]


def make_warehouse(url: str) -> None:
    """An empty file where an embedded warehouse is to be: nobody's mistyped path makes one."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        Path(parsed.database or "").touch()


def write_project(root: Path, vendors: Vendors) -> Path:
    """Three segments and, for each at each service, an activation."""
    for folder in ("segments", "activations"):
        (root / folder).mkdir(parents=True)
    (root / "project.yaml").write_text(PROJECT)
    for name, text in zip(SEGMENTS, (ACTIVE, BIG_SPENDERS, LAPSED), strict=True):
        (root / "segments" / f"{name}.yaml").write_text(text)
    lines = ["destinations:"]
    for service, account in vendors.accounts.items():
        lines.append(shop.destination(Delivery(service, "").destination, account, vendors.url(service)))
    (root / "destinations.yaml").write_text("\n".join([*lines, ""]))
    for delivery in deliveries(vendors.accounts):
        spec = vendors.accounts[delivery.service].kind().services[delivery.service]
        text = ACTIVATION.format(**delivery._asdict(), destination=delivery.destination, suffix=f" ({spec.title})")
        path = root / "activations" / f"{delivery.activation}.yaml"
        path.write_text(text + (CONSENT if spec.carries_consent else ""))
    return root


def environment(vendors: Vendors) -> dict[str, str]:
    """The vendors' secrets by variable."""
    destinations = {
        Delivery(service, "").destination: (account, vendors.url(service))
        for service, account in vendors.accounts.items()
    }
    return shop.environment(destinations)

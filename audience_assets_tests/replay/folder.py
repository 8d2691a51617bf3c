"""The shop's project folder, as a team would write it."""

from __future__ import annotations

from pathlib import Path

URL, KEY, BASE_URL = "REPLAY_WAREHOUSE_URL", "REPLAY_KLAVIYO_KEY", "REPLAY_KLAVIYO_URL"
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
DESTINATIONS = f"""\
destinations:
  klaviyo:
    type: klaviyo
    api_key: {{env: {KEY}}}
    base_url: {{env: {BASE_URL}}}
    settle_seconds: 0
    default_activation:
      service: klaviyo.subscription_list
      list_name: "{{segment_label}}"
      mapping:
        identifiers: {{email: email}}
      consent:
        import_history: true
        consent_at: {{email: first_order_at}}
      guard: {{max_removed_percent: 25}}
"""

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


def write_project(root: Path) -> Path:
    """Three segments and, for each, an activation of the same name."""
    for folder in ("segments", "activations"):
        (root / folder).mkdir(parents=True)
    (root / "project.yaml").write_text(PROJECT)
    (root / "destinations.yaml").write_text(DESTINATIONS)
    for name, text in zip(SEGMENTS, (ACTIVE, BIG_SPENDERS, LAPSED), strict=True):
        (root / "segments" / f"{name}.yaml").write_text(text)
        (root / "activations" / f"{name}.yaml").write_text(f"segment: {name}\ndestination: klaviyo\n")
    return root

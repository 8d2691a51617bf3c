"""A small shop with awkward data: missing values, wildcards, quotes, several scripts, edges of time."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.project.campaigns import Campaign
from audience_assets.project.models import Segment
from audience_assets.project.project import Project, ProjectFile
from audience_assets.warehouse.state import State

AS_OF = datetime(2026, 3, 15, 10, 30, tzinfo=UTC)
TIMEZONE = "Europe/Paris"
TEXTS = ["", " ", "Paris", "paris", "PARIS", "50%", "50% off", "a_b", "aXb", "O'Neil", 'say "hi"', "Zoë", "ZOË"]
TEXTS += ["Ночь", "ночь", "名前", "back\\slash", "; DROP TABLE customers; --", ":named", "%(x)s", "?", "$1", "NO"]
Row = dict[str, Any]
Rows = dict[str, list[Row]]

SETTINGS: dict[str, Any] = {
    "project": "shop",
    "timezone": TIMEZONE,
    "warehouse": {"url": "sqlite:///shop.sqlite"},
    "models": {
        "customers": {
            "type": "users",
            "table": "customer_360",
            "key": "customer_id",
            "key_type": "integer",
            "base_filter": {"not": {"field": "closed", "op": "is_true"}},
            "fields": {
                "email": {"type": "text", "pii": "true", "ignore_case": "true"},
                "phone": {"type": "text", "pii": "true"},
                "city": {"type": "text", "column": "home city"},
                "nickname": {"type": "text"},
                "age": {"type": "integer"},
                "vip": {"type": "boolean"},
                "closed": {"type": "boolean"},
                "birthdate": {"type": "date"},
                "created_at": {"type": "timestamp"},
                "updated_at": {"type": "timestamp"},
                "ltv": {"type": "number"},
                "interests": {"type": "list"},
            },
            "watermark": "updated_at",
        },
        "orders": {
            "type": "events",
            "table": "orders",
            "key": "order_id",
            "timestamp": "ordered_at",
            "base_filter": {"not": {"field": "status", "op": "is", "value": "returned"}},
            "fields": {
                "amount": {"type": "number"},
                "channel": {"type": "text"},
                "status": {"type": "text"},
            },
        },
        "order_items": {
            "type": "custom",
            "table": "order_items",
            "key": "item_id",
            "fields": {"quantity": {"type": "integer"}},
        },
        "products": {"type": "custom", "table": "products", "key": "sku", "fields": {"category": {"type": "text"}}},
        "consents": {
            "type": "events",
            "table": "consent_events",
            "key": "consent_id",
            "timestamp": "consent_at",
            "role": "consent",
            "fields": {"channel": {"type": "text"}, "status": {"type": "text"}},
        },
    },
    "relationships": [
        {"from": "customers", "to": "orders", "kind": "has_many", "on": {"customer_id": "customer_id"}},
        {"from": "customers", "to": "consents", "kind": "has_many", "on": {"customer_id": "customer_id"}},
        {"from": "orders", "to": "order_items", "kind": "has_many", "on": {"order_id": "order_id"}},
        {"from": "order_items", "to": "products", "kind": "belongs_to", "on": {"sku": "sku"}},
    ],
    "calculated_fields": {
        "customers": {
            "orders_12m": {"aggregate": "count", "over": "orders", "within": "12mo"},
            "revenue": {"aggregate": "sum:amount", "over": "orders"},
            "dearest": {"aggregate": "max:amount", "over": "orders"},
            "average": {"formula": "revenue / orders_12m + coalesce(ltv, 0) * 2"},
        },
        "orders": {"items": {"aggregate": "sum:quantity", "over": "order_items"}},
    },
    "insights": {
        "value_model": "orders",
        "value_field": "amount",
        "items_field": "items",
        "channels": {
            "email": {"field": "email", "valid": "email", "consent": "subscribed"},
            "sms": {"field": "phone", "valid": "e164", "consent": "subscribed"},
        },
        "breakdowns": ["city"],
    },
}

SEGMENTS: dict[str, Any] = {
    "everyone": {},
    "staff": {"where": {"field": "nickname", "op": "is_set"}},
    "regulars": {"where": {"all": [{"related": "orders", "op": "gte", "value": "2"}, {"segment": "staff"}]}},
    "spenders": {"where": {"field": "ltv", "op": "is_set"}, "limit": {"top": "7", "by": "ltv"}},
}


CAMPAIGNS: dict[str, Any] = {
    name: {"include": ["everyone"], "remaining": {"groups": [{"name": "A", "percent": "100"}]}}
    for name in ("spring", "summer")
}


def shop_project(segments: Mapping[str, Any] | None = None, root: Path = Path()) -> Project:
    """The shop with its own segments and more: name -> what follows `segment:` in a file."""
    declared = {**SEGMENTS, **(segments or {})}
    return Project(
        root=root,
        settings=ProjectFile.model_validate(SETTINGS),
        segments={name: Segment.model_validate({"segment": name, **rest}) for name, rest in declared.items()},
        destinations={},
        activations={},
        campaigns={name: Campaign.model_validate({"campaign": name, **each}) for name, each in CAMPAIGNS.items()},
    )


def moments() -> list[datetime]:
    """Instants on and beside the edges of windows and days, to the millisecond."""
    edges = [AS_OF]
    edges += [datetime(2026, 3, 14, 23, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)]
    edges += [datetime(2025, 3, 14, 23, tzinfo=UTC), datetime(2026, 2, 12, 23, tzinfo=UTC)]
    edges += [datetime(2025, 10, 25, 22, tzinfo=UTC), datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC)]
    tick = timedelta(milliseconds=1)
    return [moment for edge in edges for moment in (edge - tick, edge, edge + tick)]


def shop_rows(seed: int = 1, customers: int = 60) -> Rows:
    """The shop's tables; the same for a seed."""
    chance = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if chance.random() < 0.2 else value

    times = moments()
    days = [date(2026, 3, 15) + timedelta(days=n) for n in (-400, -31, -30, -29, -1, 0, 1, 7, 8)]
    days += [date(2000, 2, 29), date(1999, 3, 1), date(1980, 3, 20), date(1990, 12, 31)]
    amounts = [n / 4 for n in range(-4, 400, 7)]
    rows: Rows = {"products": [{"sku": f"p{n}", "category": maybe(c)} for n, c in enumerate(TEXTS[:6])]}
    rows["customers"] = [
        {
            "customer_id": number,
            "email": maybe(f"{chance.choice(['Ann', 'bob', 'zoë'])}{number}@Example.com"),
            "phone": maybe(chance.choice(["+33612345678", "0612345678", "+1 650"])),
            "city": maybe(chance.choice(TEXTS)),
            "nickname": maybe(chance.choice(TEXTS)),
            "age": maybe(chance.choice([0, 17, 18, 30, 31, 65, -1, 2**40])),
            "vip": maybe(chance.random() < 0.5),
            "closed": chance.choice([None, False, False, False, True]),
            "birthdate": maybe(chance.choice(days)),
            "created_at": maybe(chance.choice(times)),
            "updated_at": maybe(chance.choice(times)),
            "ltv": maybe(chance.choice(amounts)),
            "interests": maybe(chance.choice(["[]", '["jazz"]', '["jazz", "O\'Neil", "名前"]', '["50%"]'])),
        }
        for number in range(1, customers + 1)
    ]
    rows["orders"] = [
        {
            "order_id": f"o{number}",
            "customer_id": maybe(chance.randint(1, customers + 3)),
            "ordered_at": maybe(chance.choice(times)),
            "amount": maybe(chance.choice(amounts)),
            "channel": maybe(chance.choice(["online", "store", "50%"])),
            "status": maybe(chance.choice(["paid", "open", "returned"])),
        }
        for number in range(customers * 4)
    ]
    rows["order_items"] = [
        {
            "item_id": f"i{number}",
            "order_id": maybe(f"o{chance.randint(0, customers * 4)}"),
            "sku": maybe(f"p{chance.randint(0, 7)}"),
            "quantity": maybe(chance.randint(0, 4)),
        }
        for number in range(customers * 8)
    ]
    rows["consents"] = [
        {
            "consent_id": f"c{number}",
            "customer_id": maybe(chance.randint(1, customers)),
            "consent_at": maybe(chance.choice(times)),
            "channel": maybe(chance.choice(["email", "sms"])),
            "status": maybe(chance.choice(["subscribed", "unsubscribed"])),
        }
        for number in range(customers * 3)
    ]
    return rows


SPELLINGS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ", "short")


def spelled(moment: datetime, number: int) -> str:
    """An instant as some tool would store it in SQLite; `number` chooses the tool."""
    spelling = SPELLINGS[number % len(SPELLINGS)]
    if spelling != "short":
        return moment.strftime(spelling)
    if moment.microsecond:
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return moment.strftime("%Y-%m-%d" if moment.hour == moment.minute == moment.second == 0 else "%Y-%m-%d %H:%M:%S")


def _foreign(value: Any, number: int) -> Any:
    if isinstance(value, datetime):
        return spelled(value, number)
    if isinstance(value, date):
        return value.isoformat() if number % 2 else f"{value.isoformat()} 00:00:00"
    return value


def load(engine: Engine, rows: Rows) -> None:
    """Create the shop's tables, and on SQLite fill them as several careless tools would."""
    catalogue = Catalogue(shop_project().settings)
    with engine.begin() as connection:
        for model, records in rows.items():
            table = catalogue.table(model)
            table.create(connection)
            if not records:
                continue
            if engine.dialect.name == "sqlite":
                untyped = sa.table(table.name, *(sa.column(column.name) for column in table.columns))
                values = [
                    {table.c[field].name: _foreign(value, number) for field, value in row.items()}
                    for number, row in enumerate(records)
                ]
                connection.execute(sa.insert(untyped), values)
            else:
                connection.execute(sa.insert(table), records)


def shop_state(engine: Engine) -> State:
    """Our state tables, created."""
    state = State(engine)
    state.create()
    return state

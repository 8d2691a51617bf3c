"""The town's people buy things: orders with amounts and items, and projects that measure them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.project.campaigns import Campaign
from audience_assets.project.project import Project, ProjectFile
from audience_assets_tests.campaigns.people import project_of

ORDERS = sa.Table(
    "orders",
    sa.MetaData(),
    sa.Column("line", sa.BigInteger),
    sa.Column("order_id", sa.String),
    sa.Column("person", sa.BigInteger),
    sa.Column("ordered_at", sa.DateTime),
    sa.Column("amount", sa.Double),
    sa.Column("pieces", sa.BigInteger),
    sa.Column("returned", sa.Boolean),
)
MODELS: dict[str, Any] = {
    "orders": {
        "type": "events",
        "table": "orders",
        "key": "line",
        "key_type": "integer",
        "timestamp": "ordered_at",
        "base_filter": {"not": {"field": "returned", "op": "is_true"}},
        "fields": {"order_id": {"type": "text"}, "amount": {"type": "number"}, "pieces": {"type": "integer"}},
    }
}
MODELS["orders"]["fields"]["returned"] = {"type": "boolean"}
BOUGHT = {"from": "people", "to": "orders", "kind": "has_many", "on": {"id": "person"}}
INSIGHTS = {"value_model": "orders", "value_field": "amount", "items_field": "pieces"}
Line = tuple[int, datetime, float, int]  # person, when (UTC), amount, pieces


def measured_project(*campaigns: Campaign, insights: dict[str, Any] | None = None, **more: Any) -> Project:
    """A project whose people have orders; days are those of Paris."""
    project = project_of(*campaigns, **more)
    plain = project.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    plain["models"] |= MODELS
    settings = {
        "timezone": "Europe/Paris",
        "relationships": [BOUGHT],
        "insights": INSIGHTS if insights is None else insights,
    }
    return replace(project, settings=ProjectFile.model_validate(plain | settings))


def set_orders(engine: Engine, lines: Iterable[Line], *, returned: Iterable[Line] = ()) -> None:
    """An order a line, numbered from 1 on."""
    rows = [(line, False) for line in lines] + [(line, True) for line in returned]
    values = [
        {
            "line": number,
            "order_id": f"o{number}",
            "person": person,
            "ordered_at": at.replace(tzinfo=None),
            "amount": amount,
            "pieces": pieces,
            "returned": was_returned,
        }
        for number, ((person, at, amount, pieces), was_returned) in enumerate(rows, start=1)
    ]
    with engine.begin() as connection:
        ORDERS.create(connection, checkfirst=True)
        connection.execute(ORDERS.delete())
        if values:
            connection.execute(ORDERS.insert(), values)

"""Conditions on `list` fields: JSON arrays of texts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.project.operators import coerce, coerce_many
from audience_assets.warehouse.functions import ListHas, ListLength


def list_condition(listed: sa.ColumnElement[Any], op: str, value: Any) -> sa.ColumnElement[bool]:
    """`op` (a positive, canonical operator) of a list column."""
    if op in ("includes_any", "includes_all"):
        held = [ListHas(listed, sa.literal(item, sa.String())) for item in coerce_many(value, "text")]
        return sa.or_(sa.false(), *held) if op == "includes_any" else sa.and_(sa.true(), *held)
    length, wanted = ListLength(listed), sa.literal(coerce(value, "integer"), sa.BigInteger())
    return length >= wanted if op == "length_gte" else length <= wanted

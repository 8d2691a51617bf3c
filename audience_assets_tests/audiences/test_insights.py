"""Insights equal what plain Python counts."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.insight_values import SegmentInsights
from audience_assets.audiences.insights import segment_insights
from audience_assets.audiences.preview import preview
from audience_assets.audiences.refresh import refresh_segment
from audience_assets.errors import WarehouseError
from audience_assets_tests.audiences.evaluator import World
from audience_assets_tests.audiences.shop import AS_OF, Row, load, shop_project, shop_rows, shop_state

STEPS: list[dict[str, Any]] = [
    {"field": "age", "op": "gte", "value": "17"},
    {"related": "orders"},
    {"not": {"field": "vip", "op": "is_true"}},
]
SEGMENTS = {"tested": {"where": {"all": STEPS}}, "nobody": {"where": {"field": "age", "op": "lt", "value": "-5"}}}
WORLD = World(shop_rows(), segments=SEGMENTS)


def insights(warehouse: Engine, name: str = "tested") -> SegmentInsights:
    load(warehouse, WORLD.rows)
    state, project = shop_state(warehouse), shop_project(SEGMENTS)
    refresh_segment(warehouse, state, project, name, AS_OF)
    return segment_insights(warehouse, state, project, name, AS_OF)


def members() -> list[Row]:
    keys = WORLD.members("tested")
    return [row for row in WORLD.everyone() if row["customer_id"] in keys]


def count(*conditions: dict[str, Any]) -> int:
    return sum(all(WORLD.holds(each, "customers", row) for each in conditions) for row in WORLD.everyone())


def test_insights_equal_a_plain_count(warehouse: Engine) -> None:
    found = insights(warehouse)
    people = members()
    assert (found.size, found.users) == (len(people), len(WORLD.everyone()))
    assert found.share == pytest.approx(len(people) / len(WORLD.everyone()))
    active = {"related": "orders", "window": {"within": "12mo"}}
    assert found.active == sum(WORLD.holds(active, "customers", row) for row in people)
    assert [(step.alone, step.remaining) for step in found.waterfall] == [
        (count(step), count(*STEPS[: number + 1])) for number, step in enumerate(STEPS)
    ]
    assert found.waterfall[-1].remaining == found.size


def test_reach_counts_identified_valid_and_consented(warehouse: Engine) -> None:
    found = insights(warehouse)
    usable = {"email": re.compile(r"[^@ ]+@[^@ ]+\.[^@ ]+"), "sms": re.compile(r"\+[1-9]\d{6,14}")}
    reached: set[int] = set()
    for channel, field in (("email", "email"), ("sms", "phone")):
        identified = [row for row in members() if row[field]]
        valid = [row for row in identified if usable[channel].fullmatch(row[field])]
        consent = {"consent": {"channel": channel, "status": "subscribed"}}
        consented = [row for row in valid if WORLD.holds(consent, "customers", row)]
        reached |= {row["customer_id"] for row in consented}
        reach = found.reach[channel]
        assert (reach.identified, reach.valid, reach.consented) == (len(identified), len(valid), len(consented))
    assert found.any_channel == len(reached)


def test_value_percentiles_are_exact(warehouse: Engine) -> None:
    found = insights(warehouse).value
    values = [WORLD.value("revenue", "customers", row) for row in members()]
    positive = [value for value in values if value > 0]
    assert found is not None
    assert found.total == pytest.approx(sum(values))
    assert found.per_member == pytest.approx(sum(values) / len(values))
    assert found.spenders == len(positive)
    assert found.percentiles == {
        percent: np.percentile(positive, percent, method="inverted_cdf") for percent in (10, 25, 50, 75, 90, 99)
    }


def test_breakdowns_add_up(warehouse: Engine) -> None:
    found = insights(warehouse)
    shares = {share.label: share for share in found.breakdowns["city"]}
    assert sum(share.users for share in shares.values()) == found.users
    assert sum(share.members for share in shares.values()) == found.size
    assert shares["(missing)"].users == sum(row["city"] is None for row in WORLD.everyone())


def test_nobody_has_insights_too(warehouse: Engine) -> None:
    found = insights(warehouse, "nobody")
    assert (found.size, found.active, found.any_channel) == (0, 0, 0)
    assert found.value is not None
    assert (found.value.total, found.value.percentiles) == (0.0, {})


def test_a_segment_that_was_never_computed_says_so(warehouse: Engine) -> None:
    load(warehouse, WORLD.rows)
    with pytest.raises(WarehouseError, match="never computed"):
        segment_insights(warehouse, shop_state(warehouse), shop_project(SEGMENTS), "tested", AS_OF)


def test_a_preview_holds_no_personal_data(warehouse: Engine) -> None:
    load(warehouse, WORLD.rows)
    rows = preview(warehouse, shop_state(warehouse), shop_project(SEGMENTS), "tested", AS_OF, limit=5)
    expected = sorted(members(), key=lambda row: row["customer_id"])[:5]
    assert [row["customer_id"] for row in rows] == [row["customer_id"] for row in expected]
    assert [row["email"] for row in rows] == ["[redacted]" if row["email"] else None for row in expected]
    for name in ("age", "city", "birthdate", "created_at"):
        assert [row[name] for row in rows] == [row[name] for row in expected]
    with warehouse.connect() as connection:
        assert not sa.inspect(connection).has_table(shop_state(warehouse).segment("tested", "integer").name)


@pytest.mark.parametrize("table", ["members", "segment_grown_up"])
def test_a_table_may_be_called_as_a_part_of_our_statement_is(warehouse: Engine, table: str) -> None:
    load(warehouse, WORLD.rows)
    segments = {
        "grown_up": {"where": {"field": "age", "op": ">=", "value": "18"}},
        "all": {"where": {"segment": "grown_up"}},
    }
    project = shop_project(segments)
    expected = preview(warehouse, shop_state(warehouse), project, "all", AS_OF)
    with warehouse.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE customer_360 RENAME TO {table}")
    models = {**project.settings.models}
    models["customers"] = models["customers"].model_copy(update={"table": table})
    renamed = replace(project, settings=project.settings.model_copy(update={"models": models}))
    assert preview(warehouse, shop_state(warehouse), renamed, "all", AS_OF) == expected != []

"""What is asked to know a segment, told once on any warehouse."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from audience_assets.audiences.insights import segment_insights
from audience_assets.audiences.overlap import segment_overlap
from audience_assets.audiences.refresh import refresh_segment
from audience_assets.audiences.trend import record_insights, segment_trend
from audience_assets.project.needs import Needs
from audience_assets_tests.audiences.shop import AS_OF, load, shop_project, shop_rows, shop_state

LISTS = {"letters": Needs("vendor", {"email": "email", "phone": "phone"}, {"city": "city"}, {"age": "age"})}


def life_of_insights(folder: Path, engine: sa.Engine) -> None:
    """A segment's insights with every block, its trend, and its overlap with another."""
    load(engine, shop_rows())
    state, project = shop_state(engine), shop_project(root=folder)
    for name in ("regulars", "staff"):
        refresh_segment(engine, state, project, name, AS_OF)
    found = segment_insights(engine, state, project, "regulars", AS_OF, LISTS)
    assert found.waterfall and found.value and found.revenue and found.breakdowns
    record_insights(engine, state, found)
    assert segment_trend(engine, state, "regulars")
    assert segment_overlap(engine, state, project, ["regulars", "staff"]).in_any

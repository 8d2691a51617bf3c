"""How a segment went from one computation to the next: size, who came and went, and what insights found then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.insight_values import SegmentInsights, ratio
from audience_assets.warehouse.state import State

RUNS = 30
REVENUE, ACTIVE = "revenue", "active"


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One computation. `active` and `revenue` are what insights found of these members, None where nobody looked."""

    as_of: datetime
    size: int
    entered: int
    left: int
    active: int | None
    revenue: float | None
    redefined: bool  # the definition was another one before

    @property
    def turnover(self) -> float | None:
        """Members who came or went over the size before; None of a segment that was empty."""
        return ratio(self.entered + self.left, self.size - self.entered + self.left)


def record_insights(engine: Engine, state: State, found: SegmentInsights) -> None:
    """Keep the numbers of insights, so that the segment's trend tells them."""
    rows = [
        {"segment": found.segment, "as_of": found.as_of, "metric": metric, "dimension": dimension, "value": value}
        for metric, dimension, value in _numbers(found)
    ]
    table = state.insight
    with engine.begin() as connection:
        same = sa.and_(table.c.segment == found.segment, table.c.as_of == found.as_of)
        connection.execute(sa.delete(table).where(same))
        connection.execute(sa.insert(table), rows)


def segment_trend(engine: Engine, state: State, segment: str, runs: int = RUNS) -> list[TrendPoint]:
    """The last computations of a segment, the oldest first."""
    run, stat = state.segment_run, state.insight
    newest = sa.select(run).where(run.c.segment == segment).order_by(run.c.id.desc()).limit(runs + 1)
    told = sa.select(stat.c.as_of, stat.c.metric, stat.c.value).where(
        stat.c.segment == segment, stat.c.metric.in_([REVENUE, ACTIVE])
    )
    with engine.connect() as connection:
        found = list(reversed(connection.execute(newest).all()))
        stats = connection.execute(told.order_by(stat.c.as_of)).all()
    points = []
    for number, row in enumerate(found):
        until = found[number + 1].as_of if number + 1 < len(found) else None
        here = {
            each.metric: each.value
            for each in stats
            if each.as_of >= row.as_of and (until is None or each.as_of < until)
        }
        redefined = number > 0 and found[number - 1].definition_hash != row.definition_hash
        active = int(here[ACTIVE]) if ACTIVE in here else None
        points.append(TrendPoint(row.as_of, row.size, row.entered, row.left, active, here.get(REVENUE), redefined))
    return points[-runs:]


def _numbers(found: SegmentInsights) -> Iterator[tuple[str, str | None, float]]:
    """metric, dimension, value."""
    yield "users", None, found.users
    yield "size", None, found.size
    if found.active is not None:
        yield ACTIVE, None, found.active
    if found.any_channel is not None:
        yield "any_channel", None, found.any_channel
    for channel, reach in found.reach.items():
        yield "reach", channel, reach.consented
    for name, reached in found.lists.items():
        yield "list_reach", name, reached.reached
    if found.revenue is not None:
        yield REVENUE, None, found.revenue.revenue
        yield "orders", None, found.revenue.orders
        if found.revenue.items is not None:
            yield "items", None, found.revenue.items

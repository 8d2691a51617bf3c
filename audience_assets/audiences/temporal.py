"""Conditions on dates and timestamps, all as half-open stretches of time so that an index can serve them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from audience_assets.project.conditions import FieldCondition
from audience_assets.project.models import FieldType
from audience_assets.project.operators import coerce_month
from audience_assets.project.times import Moment, Span, ago, anniversaries, last, next_, resolve_moment, zone
from audience_assets.warehouse.moments import at_or_after, before

INSTANT = timedelta(microseconds=1)
Bounds = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Clock:
    """The run's one time and the zone in which its days begin."""

    as_of: datetime
    timezone: str

    def day_of(self, instant: datetime) -> date:
        return instant.astimezone(zone(self.timezone)).date()


@dataclass(frozen=True, slots=True)
class _Edges:
    """Where a moment begins and where the next begins, in the terms of a column's type."""

    start: date
    end: date


def temporal(
    column: sa.ColumnElement[Any], kind: FieldType, op: str, node: FieldCondition, clock: Clock
) -> sa.ColumnElement[bool]:
    """`op` (a positive, canonical operator) of a `date` or `timestamp` column."""
    match op:
        case "anniversary_in_next" | "anniversary_in_last":
            days = (next_ if op.endswith("next") else last)(str(node.value), clock.as_of, clock.timezone)
            month_day = sa.extract("month", column) * 100 + sa.extract("day", column)
            return month_day.in_(anniversaries(days))
        case "month_is":
            return sa.extract("month", column) == coerce_month(node.value)
        case "more_than_ago":
            start = ago(str(node.value), clock.as_of, clock.timezone)
            return before(column, clock.day_of(start) if kind == "date" else start)
    start_end = _stretch(kind, op, node, clock)
    return between_edges(column, *start_end)


def between_edges(column: sa.ColumnElement[Any], start: date | None, end: date | None) -> sa.ColumnElement[bool]:
    """`[start, end)`; None leaves a side open."""
    parts = [] if start is None else [at_or_after(column, start)]
    parts += [] if end is None else [before(column, end)]
    return sa.and_(sa.true(), *parts)


def within(column: sa.ColumnElement[Any], kind: FieldType, bounds: Bounds, clock: Clock) -> sa.ColumnElement[bool]:
    """A time within `[from, to)`; of a date column, days that begin within it."""
    start, end = bounds
    if kind != "date":
        return between_edges(column, start, end)
    first = None if start is None else _first_day(start, clock)
    return between_edges(column, first, None if end is None else _first_day(end, clock))


def _first_day(instant: datetime, clock: Clock) -> date:
    """The first local day that begins at the instant or later."""
    day = clock.day_of(instant)
    return day if clock.day_of(instant - INSTANT) < day else day + timedelta(days=1)


def _stretch(kind: FieldType, op: str, node: FieldCondition, clock: Clock) -> tuple[date | None, date | None]:
    if op in ("in_last", "in_next"):
        span = (last if op == "in_last" else next_)(str(node.value), clock.as_of, clock.timezone)
        return _span_edges(kind, span)
    if op == "between":
        low, high = (_edges(kind, value, clock) for value in node.value)
        start = low.start if node.bounds[0] == "[" else low.end
        return start, high.end if node.bounds[1] == "]" else high.start
    edges = _edges(kind, node.value, clock)
    return {
        "is": (edges.start, edges.end),
        "before": (None, edges.start),
        "on_or_before": (None, edges.end),
        "after": (edges.end, None),
        "on_or_after": (edges.start, None),
    }[op]


def _span_edges(kind: FieldType, span: Span) -> tuple[date, date]:
    if kind == "date":
        return span.first_day, span.last_day + timedelta(days=1)
    return span.start, span.end


def _edges(kind: FieldType, value: Any, clock: Clock) -> _Edges:
    moment: Moment = resolve_moment(str(value), clock.as_of, clock.timezone)
    if kind == "date":
        return _Edges(moment.day, moment.day + timedelta(days=1))
    return _Edges(moment.start, moment.end if moment.whole_day else moment.start + INSTANT)

"""Dates and timestamps in tables that others write, and how they are compared.

SQLite has no such types: other tools store an instant there as text, with a blank or a `T`, with or without
seconds, fractions and a closing `Z`, and text order is not time order between these spellings. It is, though,
against the shortest spelling of a bound; so bounds are spelled that way, and only bounds that are not a
midnight need the column normalised (behind a comparison of the bare column, which an index can serve). The
times themselves are taken to be UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from audience_assets.warehouse.column_types import CalendarDate, UtcDateTime


class _TimestampBound(UtcDateTime):
    """An instant that a column of somebody else's table is compared with."""

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        bound = super().process_bind_param(value, dialect)
        return shortest_spelling(datetime.fromisoformat(bound)) if isinstance(bound, str) else bound


def shortest_spelling(moment: datetime) -> str:
    """ISO text without trailing parts that are zero: a prefix of every other spelling of the same instant."""
    if moment.microsecond:
        return f"{moment:%Y-%m-%d %H:%M:%S.%f}".rstrip("0")
    if moment.second:
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{moment:%Y-%m-%d %H:%M}" if moment.hour or moment.minute else f"{moment:%Y-%m-%d}"


def at_or_after(column: sa.ColumnElement[Any], bound: date) -> sa.ColumnElement[bool]:
    """`column >= bound`, for a date column and a date or a timestamp column and an instant with a zone."""
    if not isinstance(bound, datetime):
        return column >= sa.literal(bound, CalendarDate())
    moment = bound.astimezone(UTC)
    if moment == _midnight(moment):
        return column >= sa.literal(moment, _TimestampBound())
    return _AtOrAfter(column, *_bounds(moment, _midnight(moment)))


def before(column: sa.ColumnElement[Any], bound: date) -> sa.ColumnElement[bool]:
    """`column < bound`; see `at_or_after`."""
    if not isinstance(bound, datetime):
        return column < sa.literal(bound, CalendarDate())
    moment = bound.astimezone(UTC)
    if moment == _midnight(moment):
        return column < sa.literal(moment, _TimestampBound())
    return _Before(column, *_bounds(moment, _midnight(moment) + timedelta(days=1)))


def spelled_alike(column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    """The column in a form whose order is the order of time, to compare or sort by; exact to a millisecond."""
    return _SpelledAlike(column, sa.literal_column("'%Y-%m-%d'" if kind == "date" else "'%Y-%m-%d %H:%M:%f'"))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _bounds(*moments: datetime) -> list[sa.BindParameter[datetime]]:
    return [sa.literal(moment, _TimestampBound()) for moment in moments]


class _Comparison(FunctionElement[bool]):
    """`(column, instant, midnight beyond it)`.

    It has no type on purpose: behind a boolean SQLAlchemy writes `= 1` on SQLite, and no index is used.
    """

    inherit_cache = True
    sign: str


class _AtOrAfter(_Comparison):
    name = "at_or_after"
    inherit_cache = True
    sign = ">="


class _Before(_Comparison):
    name = "before"
    inherit_cache = True
    sign = "<"


@compiles(_AtOrAfter)
@compiles(_Before)
def _compare(element: _Comparison, compiler: SQLCompiler, **kw: Any) -> str:
    column, instant, _ = element.clauses
    return f"({compiler.process(column, **kw)} {element.sign} {compiler.process(instant, **kw)})"


@compiles(_AtOrAfter, "sqlite")
@compiles(_Before, "sqlite")
def _compare_text(element: _Comparison, compiler: SQLCompiler, **kw: Any) -> str:
    text, instant, day = (compiler.process(clause, **kw) for clause in element.clauses)
    sign = element.sign
    return f"({text} {sign} {day} AND rtrim(replace({text}, 'T', ' '), 'Z') {sign} {instant})"


class _SpelledAlike(FunctionElement[Any]):
    """`(column, strftime format)`."""

    name = "spelled_alike"
    inherit_cache = True


@compiles(_SpelledAlike)
def _native(element: _SpelledAlike, compiler: SQLCompiler, **kw: Any) -> str:
    column, _ = element.clauses
    return compiler.process(column, **kw)


@compiles(_SpelledAlike, "sqlite")
def _respelled(element: _SpelledAlike, compiler: SQLCompiler, **kw: Any) -> str:
    column, spelling = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"strftime({spelling}, {column})"

"""Instants in other people's tables compare right, however they were stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.warehouse.column_types import CalendarDate
from audience_assets.warehouse.moments import at_or_after, before

TICK = timedelta(milliseconds=1)
INSTANTS = [
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, 10, tzinfo=UTC),
    datetime(2026, 1, 1, 10, 30, tzinfo=UTC),
    datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 1, 1, 23, 59, 59, 999000, tzinfo=UTC),
]


def spellings(instant: datetime) -> list[str]:
    naive = instant.replace(tzinfo=None)
    found = [naive.isoformat(blank, unit) for blank in " T" for unit in ("milliseconds", "microseconds")]
    if not naive.microsecond:
        found += [naive.isoformat(" "), naive.isoformat()]
    if not naive.second and not naive.microsecond:
        found.append(naive.isoformat(" ", "minutes"))
    found += [f"{each}{zone}" for each in found for zone in ("Z", "+00:00")]
    return [*found, f"{naive:%Y-%m-%d}"] if naive.time() == datetime.min.time() else found


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_every_spelling_is_the_same_instant_on_sqlite(make_warehouse: Any, instant: datetime) -> None:
    with make_warehouse("sqlite").connect() as connection:
        for text in spellings(instant):
            column = sa.literal(text, sa.String())
            answers = [
                at_or_after(column, instant),
                before(column, instant + TICK),
                sa.not_(before(column, instant)),
                sa.not_(at_or_after(column, instant + TICK)),
                at_or_after(column, instant - TICK),
                sa.not_(before(column, instant - TICK)),
            ]
            assert list(connection.execute(sa.select(*answers)).one()) == [1] * 6, text


def test_a_zoned_column_is_compared_as_an_instant(warehouse: Engine) -> None:
    """Whatever the session's time zone is; only Postgres and DuckDB have such columns."""
    kind = sa.DateTime(timezone=True)
    table = sa.Table("events", sa.MetaData(), sa.Column("at", kind))
    instant = datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
    with warehouse.begin() as connection:
        table.create(connection)
        connection.execute(sa.insert(table).values(at=instant))
        query = sa.select(at_or_after(table.c.at, instant), before(table.c.at, instant + TICK))
        assert list(connection.execute(query).one()) == [1, 1]


def test_a_day_is_a_day_with_or_without_a_midnight(make_warehouse: Any) -> None:
    day = date(2026, 1, 1)
    with make_warehouse("sqlite").connect() as connection:
        for text in ("2026-01-01", "2026-01-01 00:00:00", "2026-01-01T00:00:00"):
            column = sa.literal(text, sa.String())
            asked = [at_or_after(column, day), before(column, day), before(column, day + timedelta(days=1))]
            assert list(connection.execute(sa.select(*asked)).one()) == [1, 0, 1], text
            assert connection.scalar(sa.select(sa.literal_column(f"'{text}'", CalendarDate()))) == day


def test_an_index_serves_a_window_on_sqlite(make_warehouse: Any) -> None:
    table = sa.Table("events", sa.MetaData(), sa.Column("at", sa.String, index=True))
    start = datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
    query = sa.select(table.c.at).where(at_or_after(table.c.at, start), before(table.c.at, start + timedelta(days=3)))
    engine = make_warehouse("sqlite")
    with engine.begin() as connection:
        table.create(connection)
        text = query.compile(engine, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    assert "SEARCH events USING COVERING INDEX" in str(plan)

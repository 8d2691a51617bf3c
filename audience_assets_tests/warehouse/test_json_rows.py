"""One parameter becomes typed rows."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
import sqlglot
from sqlalchemy.engine import Engine
from sqlglot import exp

from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.json_rows import encode_rows, json_rows
from audience_assets.warehouse.unpackaged import unpackaged

KINDS: dict[str, sa.types.TypeEngine[Any]] = {
    "text": sa.String(),
    "whole": sa.BigInteger(),
    "number": sa.Double(),
    "flag": sa.Boolean(),
    "day": sa.Date(),
    "at": UtcDateTime(),
}


def test_values_come_back_as_they_were(warehouse: Engine) -> None:
    moment = datetime(2026, 3, 1, 12, 30, 1, 250_000, tzinfo=timezone(timedelta(hours=2)))
    given = [
        ('it\'s "50%" \\ :x', 2**62, 0.1, True, date(2026, 2, 28), moment),
        ("Zoë 名前", -1, -2.5, False, date(1970, 1, 1), moment.astimezone(UTC)),
        (None, None, None, None, None, None),
        ("null", 0, 0.0, False, date(2024, 2, 29), moment),
    ]
    rows = json_rows("rows", KINDS)
    with warehouse.connect() as connection:
        found = connection.execute(sa.select(rows), {"rows": encode_rows(given)}).all()
    assert [tuple(row) for row in found] == given


def test_no_rows(warehouse: Engine) -> None:
    with warehouse.connect() as connection:
        assert connection.execute(sa.select(json_rows("r", KINDS)), {"r": encode_rows([])}).all() == []


def test_a_batch_is_acknowledged_in_one_quick_statement(warehouse: Engine) -> None:
    table = sa.Table(
        "ledger",
        sa.MetaData(),
        sa.Column("identifier", sa.String, primary_key=True),
        sa.Column("vendor_id", sa.String),
        sa.Column("synced_at", UtcDateTime),
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    columns: dict[str, sa.types.TypeEngine[Any]] = {"identifier": sa.String(), "vendor_id": sa.String()}
    rows = json_rows("rows", columns)
    batch = [(f"user{number}@example.com", f"01H{number}") for number in range(1000)]
    with warehouse.begin() as connection:
        table.create(connection)
        inserted = table.insert().from_select(["identifier", "vendor_id"], sa.select(rows))
        connection.execute(inserted, {"rows": encode_rows(batch)})
        update = (
            sa.update(table)
            .values(vendor_id=rows.c.vendor_id, synced_at=now)
            .where(table.c.identifier == rows.c.identifier)
        )
        answered = [(identifier, f"new-{vendor}") for identifier, vendor in batch]
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            connection.execute(update, {"rows": encode_rows(answered)})
            seconds.append(time.perf_counter() - started)
        found = connection.execute(sa.select(table.c.identifier, table.c.vendor_id)).all()
    assert sorted(tuple(row) for row in found) == sorted(answered)
    assert min(seconds) < 1, "10 ms on an idle machine; a second means the plan is wrong"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError) as refused:
        encode_rows([(datetime(2026, 1, 1),)])
    assert "zone" in str(refused.value.__cause__)


@pytest.mark.parametrize("name", ["snowflake", "bigquery", "redshift"])
def test_other_dialects_read_the_parameter_in_one_statement(name: str) -> None:
    dialect = unpackaged(name)
    assert dialect is not None
    text = str(sa.select(json_rows("rows", KINDS)).compile(dialect=dialect))
    [parsed] = sqlglot.parse(text, read=name)
    assert isinstance(parsed, exp.Select)
    assert text.count(":rows") == 1

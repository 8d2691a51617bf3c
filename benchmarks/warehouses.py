"""Empty warehouses to measure in, and numbers to fill them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.conftest import fresh_postgres, own_postgres


@contextmanager
def empty_warehouse(kind: str, folder: Path) -> Iterator[Engine]:
    """A new warehouse; Postgres comes from a wheel and is stopped again."""
    with ExitStack() as stack:
        if kind == "postgresql":
            url = stack.enter_context(fresh_postgres(stack.enter_context(own_postgres())))
        else:
            url = f"{kind}:///{folder / 'bench.db'}"
        engine = open_warehouse(url)
        stack.callback(engine.dispose)
        yield engine


def numbers_to(total: int, engine: Engine) -> sa.Subquery | sa.CTE:
    """1 to `total`, one a row, in a column `n`."""
    series = sa.func.generate_series(1, total)
    if engine.dialect.name == "postgresql":
        return sa.select(series.label("n")).subquery("numbers")
    if engine.dialect.name == "duckdb":
        return sa.select(sa.func.unnest(series).label("n")).subquery("numbers")
    first = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
    return first.union_all(sa.select(first.c.n + 1).where(first.c.n < total))

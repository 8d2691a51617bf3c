"""A small shop of the demo's kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets.demo.generate import generate_warehouse
from audience_assets.warehouse.engine import open_warehouse

NOW = datetime(2026, 3, 14, 9, 30)
CUSTOMERS = 3000


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Engine]:
    """3,000 customers in SQLite."""
    engine = open_warehouse(f"sqlite:///{tmp_path / 'shop.sqlite'}")
    generate_warehouse(engine, now=NOW, customers=CUSTOMERS)
    yield engine
    engine.dispose()

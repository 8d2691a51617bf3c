"""The shop's year, and an empty warehouse of each kind the replay runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from audience_assets_tests.replay.retail import PLACE, Retail, find_transactions


@pytest.fixture(scope="package")
def retail() -> Retail:
    path = find_transactions()
    if path is None:
        pytest.skip(f"no {PLACE} in a folder above the repository")
    return Retail.read(path)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'warehouse.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue({"sqlite": "sqlite", "postgresql": "postgres_database"}[request.param])
    return found

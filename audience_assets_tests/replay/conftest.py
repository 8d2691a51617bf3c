"""The shop's year, and an empty warehouse."""

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

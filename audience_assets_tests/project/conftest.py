"""Fixtures of the project's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from audience_assets_tests.project.folder import copy_shop


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The example project, free to be spoilt."""
    return copy_shop(tmp_path)

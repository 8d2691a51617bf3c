"""The example shop as a folder that a test can spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from audience_assets.errors import ProjectError
from audience_assets.project.load import load_project

SHOP = Path(__file__).parent / "shop"


def copy_shop(root: Path) -> Path:
    """A fresh copy of the shop in `root`."""
    return Path(shutil.copytree(SHOP, root / "shop"))


def spoil(root: Path, file: str, old: str, new: str) -> None:
    """Replace the one place in a file that reads `old`."""
    path = root / file
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    path.write_text(text.replace(old, new))


def write(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def mistakes(root: Path) -> list[str]:
    """What is wrong with the project, as it is printed."""
    with pytest.raises(ProjectError) as caught:
        load_project(root)
    return str(caught.value).split("\n")

"""Files whose name is nearly one of ours, at the top of a project's folder: read by nothing, and meant for us."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from audience_assets.errors import Problem

PLACES = {
    "project": "project.yaml",
    "destinations": "destinations.yaml",
    "segments": "segments/",
    "activations": "activations/",
    "campaigns": "campaigns/",
}
SUFFIXES = (".yaml", ".yml")
# The folder may hold other tools' files too: workspace.yaml, dagster.yaml, models/. Near is a plural or a slip of a
# letter; `destinations-eu.yaml` is a variant that somebody keeps.
NEAR = 0.85


def strays(root: Path) -> Iterator[Problem]:
    """Each such file, and each folder of such a name that holds YAML and is no project of its own."""
    for path in sorted(root.iterdir()):
        kind = _kind(path)
        file = _yaml_of(path) if kind else None
        if kind and file and (path.is_file() or kind != "project"):
            yield _not_read(file.relative_to(root).as_posix(), kind)


def _kind(path: Path) -> str | None:
    """What the name is nearly ours for."""
    stem = path.stem if path.is_file() else path.name
    if not stem.isalpha() or path.name in {place.rstrip("/") for place in PLACES.values()}:
        return None
    return next(iter(difflib.get_close_matches(stem.lower(), PLACES, n=1, cutoff=NEAR)), None)


def _yaml_of(path: Path) -> Path | None:
    """The file itself, or the first one in a folder."""
    if path.is_file():
        return path if path.suffix in SUFFIXES else None
    if (path / "project.yaml").is_file():
        return None
    return next((file for file in sorted(path.glob("**/*")) if file.suffix in SUFFIXES and file.is_file()), None)


def _not_read(file: str, kind: str) -> Problem:
    place = PLACES[kind]
    if place.endswith("/"):
        return Problem(file, 1, "", f"is not read: {kind} stand in the folder {place}", "move it there")
    return Problem(file, 1, "", "is not read", f"did you mean {place!r}?")

"""Names a person typed, against those there are."""

from __future__ import annotations

from collections.abc import Iterable

import click

from audience_assets.project.places import nearest


def known(name: str, kind: str, names: Iterable[str]) -> str:
    """The name itself, or a usage error that offers the nearest one."""
    every = sorted(names)
    if name in every:
        return name
    hint = nearest(name, every) or (f"there are {len(every)}" if every else "the project declares none")
    raise click.UsageError(f"no {kind} is called {name!r}: {hint}")

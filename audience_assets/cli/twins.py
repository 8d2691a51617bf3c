"""Which vendors' twins a project needs."""

from __future__ import annotations

from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.project import Project
from audience_assets.sandbox.served import Served, serve

VENDORS = list(DESTINATIONS)
FIRST = VENDORS[0]


def vendors_of(project: Project) -> list[str]:
    """The vendors of a project's destinations; the first we know if there are none."""
    types = {each.type for each in project.destinations.values()}
    return [name for name in VENDORS if name in types] or [FIRST]


def settings_used(project: Project) -> dict[str, set[str]]:
    """Vendor -> the settings that the project's destinations give, e.g. none of a way that they do not take."""
    used: dict[str, set[str]] = {}
    for each in project.destinations.values():
        used.setdefault(each.type, {"base_url"}).update(each.settings)
    return used


def twins_of(project: Project, *, key: str) -> dict[str, Served]:
    """Their twins, with the vendors' rate limits."""
    return {name: serve(name, key, rate_limits=True) for name in vendors_of(project)}

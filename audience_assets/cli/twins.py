"""Which vendors' twins a project needs."""

from __future__ import annotations

from audience_assets.project.project import Project
from audience_assets.sandbox.served import TWINS, Served

FIRST = "klaviyo"


def vendors_of(project: Project) -> list[str]:
    """The vendors of a project's destinations that there is a sandbox of; Klaviyo if there are none."""
    types = {each.type for each in project.destinations.values()}
    return [name for name in TWINS if name in types] or [FIRST]


def twins_of(project: Project, *, key: str) -> dict[str, Served]:
    """Their twins, with the vendors' rate limits."""
    return {name: TWINS[name](key, True) for name in vendors_of(project)}

"""Dagster's entry point: the project in AUDIENCE_PROJECT, as definitions."""

from __future__ import annotations

from functools import cache

import dagster as dg

from audience_assets.assets.build import build_definitions
from audience_assets.assets.project_folder import project_folder

__all__ = ["build_definitions", "defs"]


# Dagster asks twice while it loads a code location; a reload is a new process.
_read = cache(build_definitions)


@dg.definitions
def defs() -> dg.Definitions:
    """Read when a code location is loaded, not when this module is imported."""
    return _read(project_folder())

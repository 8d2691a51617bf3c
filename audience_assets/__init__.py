"""Audience activation as Dagster assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audience_assets.assets.build import build_definitions as build_definitions

__version__ = "0.1.0"
__all__ = ["__version__", "build_definitions"]


def __getattr__(name: str) -> Any:
    """`build_definitions` imports Dagster, which takes a second that the command line does not need."""
    if name == "build_definitions":
        from audience_assets.assets.build import build_definitions  # noqa: PLC0415

        return build_definitions
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Names of contact lists, which Emarsys keeps unique."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# What is allowed is not documented; these are known to work.
SAFE_LENGTH = 60
_SAFE = re.compile(r"[\w -]+")


def lists_named(lists: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Those called exactly so, else those whose names are equal but for case and outer blanks."""
    exact = [each for each in lists if each.get("name") == name]
    return exact or [each for each in lists if _folded(str(each.get("name") or "")) == _folded(name)]


def is_safe(name: str) -> bool:
    """Whether a new list can surely have the name."""
    return len(name) <= SAFE_LENGTH and _SAFE.fullmatch(name) is not None


def _folded(name: str) -> str:
    return name.strip().casefold()

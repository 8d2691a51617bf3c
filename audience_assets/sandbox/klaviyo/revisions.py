"""API revisions: which are served, and what becomes of the others."""

from __future__ import annotations

import re
from bisect import bisect_left

from audience_assets.sandbox.klaviyo.errors import refusal

# Stable or deprecated, oldest first. A revision is stable for a year, deprecated for another, then retired.
SERVED = (
    "2025-01-15",
    "2025-04-15",
    "2025-07-15",
    "2025-10-15",
    "2026-01-15",
    "2026-04-15",
    "2026-07-15",
    "2026-10-15",
)
FORM = re.compile(r"\d{4}-\d{2}-\d{2}(\.pre)?")


def resolve(asked: str | None, *, may_fall_forward: bool) -> str:
    """The revision applied: a retired or unknown one falls forward to the next served one, or is a 410."""
    if not asked:
        raise refusal(400, "The 'revision' header is required.", parameter="revision")
    if not FORM.fullmatch(asked):
        raise refusal(400, "The 'revision' header must be a date: YYYY-MM-DD.", parameter="revision")
    if asked in SERVED:
        return asked
    if not may_fall_forward:
        raise refusal(410, f"Revision {asked} is not supported.", parameter="revision")
    return SERVED[min(bisect_left(SERVED, asked[:10]), len(SERVED) - 1)]

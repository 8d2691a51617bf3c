"""Contacts whose consent is being changed right now: by another batch of this sync, or by a job of Klaviyo's queue.

Klaviyo answers a consent call at once and carries it out seconds to minutes later; until then it still tells the state
before. Two members that are one contact (two spellings of a number, a number and an address of one profile) can leave
and enter in one sync, in batches that run side by side.
"""

from __future__ import annotations

import threading
from datetime import datetime

from audience_assets.destinations.klaviyo.resubscribe import OWN_OPT_OUT_SPAN

ENTERING = "entering"
LEAVING = "leaving"


class Claims:
    """What one sync does with each contact. The first to come decides; the opposite waits for the next sync."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claimed: dict[str, str] = {}

    def take(self, profile_id: str, purpose: str) -> bool:
        with self._lock:
            return self._claimed.setdefault(profile_id, purpose) == purpose


def still_at_work(written_at: datetime | None, now: datetime) -> bool:
    """Whether a consent call of ours may not have taken effect yet. How long that takes is not documented."""
    return written_at is not None and now <= written_at + OWN_OPT_OUT_SPAN

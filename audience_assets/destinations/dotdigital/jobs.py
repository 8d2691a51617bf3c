"""Waiting for what Dotdigital does in the background. Poll intervals are not documented; ours grow by half."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from audience_assets.destinations.base import Unavailable
from audience_assets.destinations.dotdigital.errors import JobMissing
from audience_assets.destinations.dotdigital.settings import DotdigitalSettings

Status = TypeVar("Status")
GROWTH = 1.5


def wait_for(
    read: Callable[[], Status], is_running: Callable[[Status], bool], settings: DotdigitalSettings, what: str
) -> Status:
    """The first answer of `read` that is no longer running.

    Unavailable if the job takes longer than the settings' patience, or Dotdigital has lost it: it may have been done.
    """
    give_up_at = time.monotonic() + settings.job_patience_seconds
    pause = settings.first_poll_seconds
    while True:
        time.sleep(pause)
        try:
            status = read()
        except JobMissing as error:
            raise Unavailable(f"Dotdigital does not know {what} any more.", status=error.status) from None
        if not is_running(status):
            return status
        if time.monotonic() + pause > give_up_at:
            raise Unavailable(f"{what.capitalize()} is still at work after {settings.job_patience_seconds:g} s.")
        pause = min(pause * GROWTH, settings.longest_poll_seconds)

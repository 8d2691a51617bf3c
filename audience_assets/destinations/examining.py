"""What `doctor` asks of every vendor in the same way."""

from __future__ import annotations

from collections.abc import Callable

from audience_assets.destinations.base import DestinationError, Finding


def attempt(check: str, call: Callable[[], object]) -> Finding:
    """A call that is allowed, or why it is not."""
    try:
        call()
    except DestinationError as error:
        return Finding(check, False, str(error))
    return Finding(check, True, "allowed")

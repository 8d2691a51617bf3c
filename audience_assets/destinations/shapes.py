"""What an answer must be to be read.

A proxy, or a vendor in trouble, answers a success with something else in it: an error, a list for an object, nothing.
Then nothing is known of what was asked or done, which is what Unavailable says.
"""

from __future__ import annotations

from typing import Any

from audience_assets.destinations.failures import Unavailable


def record(value: Any, *needed: str) -> dict[str, Any]:
    """An object that has something under each of the `needed` names. Unavailable."""
    if not isinstance(value, dict) or any(value.get(name) is None for name in needed):
        raise _another_form()
    return value


def records(value: Any, *needed: str) -> list[dict[str, Any]]:
    """A list of such objects. Unavailable."""
    if not isinstance(value, list):
        raise _another_form()
    return [record(each, *needed) for each in value]


def whole(value: Any) -> int:
    """A whole number, which some vendors write as text. Unavailable."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise _another_form() from None


def _another_form() -> Unavailable:
    return Unavailable("The answer is JSON of another form than documented.")

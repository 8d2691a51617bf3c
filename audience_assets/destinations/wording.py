"""Vendors' words in our messages."""

from __future__ import annotations

import re

_PERSONAL = re.compile(r"[^\s'\"<>()\[\]]+@[^\s'\"<>()\[\]]+|\+?\d[\d\s().-]{5,}\d")


def scrubbed(text: str) -> str:
    """The vendor's words without what may be an address or a number in them.

    >>> scrubbed("No contact found with the external id: 3 - cy@example.com")
    'No contact found with the external id: 3 - …'
    """
    return _PERSONAL.sub("…", text)

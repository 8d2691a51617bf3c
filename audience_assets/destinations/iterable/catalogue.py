"""The project's profile fields and their types, read once a sync."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from audience_assets.destinations.iterable.client import IterableClient


class Catalogue:
    """Types by field name, dots for nested ones. Safe on many threads.

    `creating` is held while fields are created: two first writers could freeze the wrong type.
    """

    def __init__(self, client: IterableClient) -> None:
        self.creating = threading.Lock()
        self._client = client
        self._lock = threading.Lock()
        self._types: dict[str, str] | None = None
        # What answers told: a field just created may not be listed yet.
        self._learned: dict[str, str] = {}
        self._unmakeable: dict[str, str] = {}

    def type_of(self, name: str) -> str | None:
        """None if Iterable has no such field."""
        return self._learned.get(name) or self._known().get(name)

    def names(self) -> Iterable[str]:
        return list({**self._known(), **self._learned})

    def learn(self, name: str, kind: str) -> None:
        """What an answer told of a field."""
        self._learned[name] = kind

    def forget(self) -> None:
        """Read anew when next asked; others may have created fields."""
        with self._lock:
            self._types = None

    def give_up(self, name: str, reason: str) -> None:
        """The field could not be created; nobody tries again in this sync."""
        self._unmakeable[name] = reason

    def given_up(self, name: str) -> str | None:
        return self._unmakeable.get(name)

    def _known(self) -> dict[str, str]:
        with self._lock:
            if self._types is None:
                self._types = self._client.fields()
            return self._types

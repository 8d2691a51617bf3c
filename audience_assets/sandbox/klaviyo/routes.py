"""Which operation answers which method and path."""

from __future__ import annotations

import re

from audience_assets.sandbox.klaviyo.api import (
    accounts,
    consent,
    imports,
    lists,
    members,
    profiles,
    single_profiles,
    suppressions,
)
from audience_assets.sandbox.klaviyo.call import Operation

OPERATIONS = (
    *accounts.OPERATIONS,
    *lists.OPERATIONS,
    *members.OPERATIONS,
    *profiles.OPERATIONS,
    *single_profiles.OPERATIONS,
    *consent.OPERATIONS,
    *imports.OPERATIONS,
    *suppressions.OPERATIONS,
)


class Routes:
    """Operations by path. A slash at the end of a path is allowed."""

    def __init__(self, operations: tuple[Operation, ...] = OPERATIONS) -> None:
        self._fixed: dict[str, dict[str, Operation]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Operation]]] = []
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        for path, methods in by_path.items():
            if "{" in path:
                self._patterns.append((re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), methods))
            else:
                self._fixed[path] = methods

    def find(self, path: str) -> tuple[dict[str, Operation], dict[str, str]] | None:
        """The operations of a path by method, and the ids in it; None when there is no such path."""
        path = path.rstrip("/")
        if path in self._fixed:
            return self._fixed[path], {}
        for pattern, methods in self._patterns:
            found = pattern.fullmatch(path)
            if found:
                return methods, found.groupdict()
        return None

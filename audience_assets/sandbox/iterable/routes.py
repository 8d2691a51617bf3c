"""Which operation answers which method and path."""

from __future__ import annotations

import re
from urllib.parse import unquote

from audience_assets.sandbox.iterable.api import lists, membership, privacy, subscriptions, users
from audience_assets.sandbox.iterable.call import Operation

OPERATIONS = (
    *lists.OPERATIONS,
    *membership.OPERATIONS,
    *users.OPERATIONS,
    *subscriptions.OPERATIONS,
    *privacy.OPERATIONS,
)


class Routes:
    """Operations by method and path; fixed paths before patterns."""

    def __init__(self) -> None:
        self._fixed = {(each.method, each.path): each for each in OPERATIONS if "{" not in each.path}
        self._patterns = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", each.path)), each)
            for each in OPERATIONS
            if "{" in each.path
        ]

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation and the ids in its path; None when there is no such route."""
        if (method, path) in self._fixed:
            return self._fixed[method, path], {}
        for pattern, operation in self._patterns:
            found = pattern.fullmatch(path) if operation.method == method else None
            if found:
                return operation, {name: unquote(value) for name, value in found.groupdict().items()}
        return None

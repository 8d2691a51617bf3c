"""Which operation answers which method and path."""

from __future__ import annotations

import re
from urllib.parse import unquote

from audience_assets.sandbox.dotdigital.api import account, contacts, lists, members
from audience_assets.sandbox.dotdigital.call import Operation

OPERATIONS = (*account.OPERATIONS, *lists.OPERATIONS, *members.OPERATIONS, *contacts.OPERATIONS)
_REGION = re.compile(r"/(r[123])(/.*)")


class Routes:
    """Operations by method and path; fixed paths go before those with values in them."""

    def __init__(self) -> None:
        self._fixed = {(each.method, each.path): each for each in OPERATIONS if "{" not in each.path}
        self._patterns = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", each.path)), each)
            for each in OPERATIONS
            if "{" in each.path
        ]

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation and the decoded values of its path. A slash at the end is allowed."""
        path = path.rstrip("/")
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, {}
        for pattern, operation in self._patterns:
            found = pattern.fullmatch(path) if operation.method == method else None
            if found:
                return operation, {name: unquote(value) for name, value in found.groupdict().items()}
        return None


def split_region(path: str) -> tuple[str | None, str]:
    """The region that a path is asked in, and the path itself. /r2/v2/... stands for the host r2-api.

    >>> split_region("/r2/v2/account-info")
    ('r2', '/v2/account-info')
    """
    found = _REGION.fullmatch(path)
    return (found[1], found[2]) if found else (None, path)

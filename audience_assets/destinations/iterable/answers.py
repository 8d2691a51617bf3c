"""The answer to a call about many people: a 200 that may hold failures, told by identifier and not by row.

Operations `lists/subscribe`, `lists/unsubscribe` and `users/bulkUpdate` of https://api.iterable.com/api/docs
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audience_assets.destinations.base import Unavailable
from audience_assets.destinations.http import Answer

INVALID, NOT_FOUND, INVALID_DATA = "invalid", "notFound", "invalidData"
CONFLICT, FORGOTTEN = "conflict", "forgotten"
# In this order: who is in several is judged by the first.
KINDS = (FORGOTTEN, NOT_FOUND, CONFLICT, INVALID_DATA, INVALID)


@dataclass(slots=True)
class BulkAnswer:
    """`failures` by kind, identifiers as Iterable echoes them: its spelling of an address may differ from ours."""

    succeeded: int
    failed: int
    failures: dict[str, set[str]] = field(default_factory=dict)
    created_fields: frozenset[str] = frozenset()
    dropped_fields: frozenset[str] = frozenset()

    def verdicts(self, identifiers: Sequence[str]) -> dict[str, str]:
        """Our identifier -> kind of failure, for those that failed."""
        found: dict[str, str] = {}
        for identifier in identifiers:
            key = folded(identifier)
            kind = next((kind for kind in KINDS if key in self.failures.get(kind, ())), None)
            if kind is not None:
                found[identifier] = kind
        return found

    def only_kind(self) -> str | None:
        """The kind of failure, if there is just one: that of a call about one person."""
        kinds = [kind for kind, identifiers in self.failures.items() if identifiers]
        return kinds[0] if len(kinds) == 1 else None


def folded(identifier: str) -> str:
    """How echoes are compared: addresses in any case, user ids exactly."""
    text = identifier.strip()
    return text.lower() if "@" in text else text


def read_bulk_answer(answer: Answer) -> BulkAnswer:
    """Unavailable if the counts are missing, because then nothing is known of anybody."""
    body = answer.json()
    if not isinstance(body, dict) or not isinstance(body.get("failCount"), int):
        raise Unavailable("Iterable's answer does not say how many rows failed.", status=answer.status)
    updates = body.get("failedUpdates")
    told: Mapping[str, Any] = updates if isinstance(updates, dict) else {}
    failures = {kind: _both(told, kind) for kind in KINDS}
    # The older form of the answer has these at its top only.
    failures[INVALID] |= _both(body, INVALID)
    return BulkAnswer(
        succeeded=int(body.get("successCount") or 0),
        failed=int(body["failCount"]),
        failures={kind: found for kind, found in failures.items() if found},
        created_fields=frozenset(_texts(body.get("createdFields"))),
        dropped_fields=frozenset(_texts(body.get("filteredOutFields"))),
    )


def _both(told: Mapping[str, Any], kind: str) -> set[str]:
    return {folded(each) for name in ("Emails", "UserIds") for each in _texts(told.get(f"{kind}{name}"))}


def _texts(value: Any) -> Iterable[str]:
    return [str(each) for each in value] if isinstance(value, list) else []

"""One call on its way through an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from audience_assets.sandbox.iterable.errors import Refusal, bad_json, missing, refusal, unknown_list_read
from audience_assets.sandbox.messages import Request, Response
from audience_assets.sandbox.windows import Window

if TYPE_CHECKING:
    from audience_assets.sandbox.iterable.lists import IterableList
    from audience_assets.sandbox.iterable.project import IterableProject

KINDS = {bool: "Boolean", int: "Number", str: "String", dict: "Object", list: "Array"}


@dataclass(slots=True)
class Call:
    """What a handler gets. The project is locked and everything due by `now` has been applied."""

    project: IterableProject
    request: Request
    now: float
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None

    def later(self, effect: Callable[[float], None]) -> None:
        """Plan the effect of a write, unless a fault swallows it."""
        if self.request.applied:
            self.project.agenda.add(self.now + self.project.switches.apply_delay, effect)

    def member(self, name: str, kind: type, *, required: bool = False) -> Any:
        """A member of the body; null counts as absent."""
        value = self.body.get(name)
        if value is None:
            if required:
                raise bad_json(self.request.path, missing(name))
            return None
        if not is_kind(value, kind):
            raise bad_json(self.request.path, {f"obj.{name}": f"{KINDS[kind]} value expected"})
        return value

    def rows(self, name: str, members: Mapping[str, type]) -> list[dict[str, Any]]:
        """An array of objects. One malformed element fails the whole request."""
        rows: list[Any] = self.member(name, list, required=True)
        problems: dict[str, Any] = {}
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                problems[f"obj.{name}[{index}]"] = "Object value expected"
                continue
            for key, kind in members.items():
                if row.get(key) is not None and not is_kind(row[key], kind):
                    problems[f"obj.{name}[{index}].{key}"] = f"{KINDS[kind]} value expected"
        if problems:
            raise bad_json(self.request.path, problems)
        most = self.project.switches.max_rows
        if most is not None and len(rows) > most:
            raise refusal(400, "BatchTooLarge", f"Batch size {len(rows)} exceeds maximum of {most}", {})
        return rows

    def list_read(self) -> IterableList:
        """The list that a reading call names in its query or path."""
        text = self.ids.get("listId") or self.query.get("listId") or ""
        if not text.isdigit():
            raise refusal(400, "BadParams", "Missing or invalid parameter: listId", {})
        found = self.project.find_list(int(text))
        if found is None:
            raise unknown_list_read(self.project.id, int(text))
        return found


def is_kind(value: Any, kind: type) -> bool:
    """JSON's kinds: true is no number."""
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `limit` holds for each project; those of one `shared` name may be counted together."""

    name: str
    method: str
    path: str
    handler: Handler
    limit: Window | None = None
    shared: str | None = None
    writes: bool = False


def answer(document: Any, *, rows: int | None = None) -> Response:
    return Response(200, orjson.dumps(document), rows=rows)


def text(body: str, *, rows: int | None = None) -> Response:
    return Response(200, body.encode(), {"Content-Type": "text/plain; charset=utf-8"}, rows=rows)


__all__ = ["Call", "Handler", "Operation", "Refusal", "answer", "is_kind", "text"]

"""Iterable's wire format: one method a call, nothing of what it means for a list.

https://api.iterable.com/api/docs
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from audience_assets.destinations.base import BadBatch, Limiter, Unavailable
from audience_assets.destinations.http import HttpClient, Patience
from audience_assets.destinations.iterable.answers import BulkAnswer, read_bulk_answer
from audience_assets.destinations.iterable.endpoints import (
    CREATE_LIST,
    GET_FIELDS,
    GET_LISTS,
    GET_MEMBERS,
    GET_SIZE,
    GET_USER,
    bulk_update_at,
    subscribe_at,
    unsubscribe_at,
)
from audience_assets.destinations.iterable.errors import DIALECT, UNKNOWN_USER, names_nobody
from audience_assets.destinations.iterable.settings import EMAIL, IterableSettings
from audience_assets.destinations.shapes import record, records


class IterableClient:
    """One project. Raises the errors of `destinations.base`."""

    def __init__(self, settings: IterableSettings, limiter: Limiter) -> None:
        self.settings = settings
        patience = Patience(
            tries=settings.tries, first_wait=settings.first_wait_seconds, timeout=settings.timeout_seconds
        )
        long_patience = replace(patience, timeout=settings.members_timeout_seconds)
        headers = {"Api-Key": settings.api_key.get_secret_value(), "Content-Type": "application/json"}
        json = {**headers, "Accept": "application/json"}
        text = {**headers, "Accept": "text/plain"}
        self._http = HttpClient(settings.url, headers=json, dialect=DIALECT, limiter=limiter, patience=patience)
        # Whole lists are plain text, and long ones take minutes to begin.
        self._texts = HttpClient(settings.url, headers=text, dialect=DIALECT, limiter=limiter, patience=long_patience)
        self._subscribe, self._unsubscribe = subscribe_at(settings), unsubscribe_at(settings)
        self._bulk_update = bulk_update_at(settings)

    @property
    def calls(self) -> int:
        """Requests the current thread has sent."""
        return self._http.calls + self._texts.calls

    def lists(self) -> list[dict[str, Any]]:
        """Every list of the project, of any type: Iterable filters by nothing."""
        found = record(self._http.call(GET_LISTS, "GET", "/api/lists").json())
        return records(found.get("lists"), "id")

    def create_list(self, name: str, description: str | None) -> str:
        """The new list's id. Makes a second list when repeated: after Unavailable, look the name up."""
        body = {"name": name} | ({"description": description} if description else {})
        answer = self._http.call(CREATE_LIST, "POST", "/api/lists", body=body, repeatable=False)
        return str(record(answer.json(), "listId")["listId"])

    def subscribe(self, list_id: str, people: Sequence[dict[str, Any]]) -> BulkAnswer:
        """Add people to a list with their attributes. Unknown ones are skipped, but not in email projects.

        Repeating it changes nothing. ListMissing, BadRows, BadBatch.
        """
        body = {"listId": int(list_id), "subscribers": list(people), "updateExistingUsersOnly": True}
        return read_bulk_answer(self._http.call(self._subscribe, "POST", "/api/lists/subscribe", body=body))

    def unsubscribe(self, list_id: str, people: Sequence[dict[str, Any]]) -> BulkAnswer:
        """Take people off a list. `channelUnsubscribe` would opt them out of all e-mail; it is always false."""
        body = {"listId": int(list_id), "subscribers": list(people), "channelUnsubscribe": False}
        return read_bulk_answer(self._http.call(self._unsubscribe, "POST", "/api/lists/unsubscribe", body=body))

    def bulk_update(self, people: Sequence[dict[str, Any]], *, create_fields: bool) -> BulkAnswer:
        """Write attributes. Creates whoever is unknown, so it is for people who are known to exist."""
        body = {"users": list(people), "createNewFields": create_fields}
        return read_bulk_answer(self._http.call(self._bulk_update, "POST", "/api/users/bulkUpdate", body=body))

    def knows(self, kind: str, identifier: str) -> bool:
        """Whether there is such a user: an empty answer, or an empty user, is nobody.

        BadBatch if Iterable can't read the identifier, Unavailable if the answer is about something else.
        """
        name, path = ("email", "getByEmail") if kind == EMAIL else ("userId", "byUserId")
        query = f"{name}={quote(identifier, safe='')}"
        try:
            answer = self._http.call(GET_USER, "GET", f"/api/users/{path}?{query}")
        except BadBatch as error:
            if error.reason == UNKNOWN_USER:
                return False
            raise
        if names_nobody(answer):
            return False
        body = record(answer.json())
        if body and "user" not in body:
            raise Unavailable("Iterable's answer to a look-up holds no user.")
        return bool(record(body.get("user") or {}))

    def fields(self) -> dict[str, str]:
        """Every profile field with its type, nested ones with dots."""
        found = record(self._http.call(GET_FIELDS, "GET", "/api/users/getFields").json())
        return {str(name): str(kind) for name, kind in record(found.get("fields")).items()}

    def members(self, list_id: str, *, prefer_user_id: bool) -> Iterator[str]:
        """Everybody in the list, one line each. Nothing marks the end: compare with `size`."""
        query = f"listId={int(list_id)}" + ("&preferUserId=true" if prefer_user_id else "")
        answer = self._texts.call(GET_MEMBERS, "GET", f"/api/lists/getUsers?{query}")
        kind = answer.headers.get("Content-Type", "")
        if "html" in kind or "json" in kind:
            raise Unavailable("Iterable's answer is no list of members.", status=answer.status)
        for line in io.BytesIO(answer.content):
            identifier = line.decode(errors="replace").strip("\r\n")
            if identifier:
                yield identifier

    def size(self, list_id: str) -> int:
        """How many are in the list; lags behind writes."""
        found = self._http.call(GET_SIZE, "GET", f"/api/lists/{int(list_id)}/size").json()
        if not isinstance(found, int):
            raise Unavailable("Iterable's answer is no number.")
        return found

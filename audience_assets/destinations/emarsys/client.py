"""Emarsys' wire format: one method a call, nothing of what it means for a list.

https://dev.emarsys.com/docs/core-api-reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from audience_assets.destinations.base import Endpoint, Limiter, RateWindow, Unavailable
from audience_assets.destinations.emarsys.credentials import credentials_of
from audience_assets.destinations.emarsys.endpoints import (
    ADD,
    CAPS,
    CHECK_IDS,
    CREATE_LIST,
    EMAIL_FIELD,
    GET_DATA,
    ID_KEY,
    LISTS,
    MEMBER_IDS,
    QUERY,
    REMOVE,
    Code,
)
from audience_assets.destinations.emarsys.envelope import as_map, data_of, number
from audience_assets.destinations.emarsys.errors import DIALECT, WINDOW_SECONDS
from audience_assets.destinations.emarsys.row_errors import RowErrors, folded, read_row_errors
from audience_assets.destinations.emarsys.settings import EmarsysSettings
from audience_assets.destinations.http import HttpClient, Patience
from audience_assets.destinations.shapes import record, records

# Any of these is in every answer to a change, whatever came of it.
_COUNTERS = frozenset({"inserted_contacts", "deleted_contacts", "errors"})


@dataclass(frozen=True, slots=True)
class ContactIds:
    """Internal ids by folded address, and what was said of the other addresses."""

    ids: dict[str, list[str]]
    errors: RowErrors

    def knows(self, address: str) -> bool:
        """Whether anybody has it, several contacts included."""
        return folded(address) in self.ids or Code.SEVERAL_CONTACTS in self.errors.of(address)


class EmarsysClient:
    """One account. Raises the errors of `destinations.base` and of `errors`."""

    def __init__(self, settings: EmarsysSettings, limiter: Limiter, now: Callable[[], datetime]) -> None:
        self._root = f"/api/{settings.version}"
        self._windows = (RateWindow(settings.requests_per_minute, WINDOW_SECONDS),)
        self._http = HttpClient(
            settings.base_url,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            dialect=DIALECT,
            limiter=limiter,
            patience=Patience(
                tries=settings.tries, first_wait=settings.first_wait_seconds, timeout=settings.timeout_seconds
            ),
            credentials=credentials_of(settings, limiter, now),
        )

    @property
    def calls(self) -> int:
        """Requests the current thread has sent."""
        return self._http.calls

    def limited(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint with the limit of these credentials."""
        return replace(endpoint, windows=self._windows)

    def lists(self) -> list[dict[str, Any]]:
        """Every contact list; there is neither a page nor a filter."""
        return records(self._get(LISTS, "/contactlist"), "id")

    def create_list(self, name: str, description: str | None) -> str:
        """The new list's id. NameTaken if there is one; after Unavailable, look the name up."""
        # Without `external_ids` the list is empty; whether an empty array may be sent is not documented.
        body = {"key_id": EMAIL_FIELD, "name": name} | ({"description": description} if description else {})
        data = self._post(CREATE_LIST, "/contactlist", body, repeatable=False)
        return str(record(data, "id")["id"])

    def add(self, list_id: str, key: str, values: Sequence[str]) -> RowErrors:
        """Put the contacts with these values of `key` into the list. Safe to repeat: a list is a set."""
        return self._change(ADD, f"{_list(list_id)}/add", key, values)

    def remove(self, list_id: str, key: str, values: Sequence[str]) -> RowErrors:
        """Take the contacts out of the list; they stay contacts. Safe to repeat."""
        return self._change(REMOVE, f"{_list(list_id)}/delete", key, values)

    def contact_ids(self, addresses: Sequence[str], *, every: bool = False) -> ContactIds:
        """Who has these addresses, at most 1,000 a call; with `every`, all of those who share one.

        What Emarsys answers about shared addresses is not documented: `query_ids` tells for sure.
        """
        # Never with `contact_list_id`, which would add everybody found to that list.
        body = {"key_id": EMAIL_FIELD, "external_ids": list(addresses), "get_multiple_ids": every}
        data = record(self._post(CHECK_IDS, "/contact/checkids", body))
        if "ids" not in data and "errors" not in data:
            raise Unavailable("Emarsys says nothing of the contacts that were looked up.")
        ids = {folded(value): _ids(found) for value, found in as_map(data.get("ids")).items()}
        return ContactIds(ids, read_row_errors(data.get("errors")))

    def query_ids(self, address: str) -> list[str]:
        """Every contact with the address."""
        query = urlencode({"return": EMAIL_FIELD, EMAIL_FIELD: address, "limit": CAPS.query_page, "offset": 0})
        return [str(row["id"]) for row in _results(self._get(QUERY, f"/contact/query/?{query}"))]

    def addresses(self, ids: Sequence[str]) -> dict[str, str | None]:
        """Address by internal id, at most 1,000 a call; contacts deleted meanwhile are left out."""
        # Spelled unlike in all other calls.
        body = {"keyId": ID_KEY, "keyValues": list(ids), "fields": [EMAIL_FIELD]}
        found = _results(self._post(GET_DATA, "/contact/getdata", body))
        return {str(row["id"]): row.get(EMAIL_FIELD) or None for row in found}

    def member_ids(self, list_id: str, *, page: int = CAPS.member_ids_page) -> Iterator[list[str]]:
        """Internal ids of everybody in the list, a page at a time. ListMissing."""
        following: str | None = urlencode({"$skiptoken": 0, "$top": page})
        while following is not None:
            data = record(self._get(MEMBER_IDS, f"{_list(list_id)}/contactIds?{following}"), "value")
            yield [str(each) for each in data["value"]]
            previous, following = following, _next_page(data.get("next"), page)
            if following == previous:
                raise Unavailable("Emarsys' page of contacts leads to itself.")

    def _change(self, endpoint: Endpoint, path: str, key: str, values: Sequence[str]) -> RowErrors:
        data = record(self._post(endpoint, path, {"key_id": key, "external_ids": list(values)}))
        if not _COUNTERS & data.keys():
            raise Unavailable("Emarsys does not say what became of the batch.")
        return read_row_errors(data.get("errors"))

    def _get(self, endpoint: Endpoint, path: str) -> Any:
        return data_of(self._http.call(self.limited(endpoint), "GET", self._root + path))

    def _post(self, endpoint: Endpoint, path: str, body: dict[str, Any], *, repeatable: bool = True) -> Any:
        endpoint = self.limited(endpoint)
        return data_of(self._http.call(endpoint, "POST", self._root + path, body=body, repeatable=repeatable))


def _list(list_id: str) -> str:
    return f"/contactlist/{quote(list_id, safe='')}"


def _next_page(link: Any, page: int) -> str | None:
    """The query of the next page. Its path lacks host and version, so only the parameters are taken."""
    if not isinstance(link, str) or not link:
        return None
    parameters = parse_qs(urlsplit(link).query)
    token = parameters.get("$skiptoken")
    if not token:
        return None
    size = number(parameters.get("$top", [""])[0]) or page
    return urlencode({"$skiptoken": token[0], "$top": size})


def _results(data: Any) -> list[dict[str, Any]]:
    """The contacts of an answer; its `result` is false when there are none."""
    return records(record(data, "result")["result"] or [], "id")


def _ids(found: Any) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]

"""Dotdigital's wire format: one method a call, nothing of what it means for a list.

Lists, removals and the account are v2, contacts and imports are v3; both generations are needed.
https://marketing.developer.dotdigital.com
"""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from audience_assets.destinations.base import Limiter, Misconfigured, Unavailable
from audience_assets.destinations.dotdigital import pace as calls
from audience_assets.destinations.dotdigital.errors import ContactMissing, dialect
from audience_assets.destinations.dotdigital.pace import Pace
from audience_assets.destinations.dotdigital.settings import DotdigitalSettings
from audience_assets.destinations.http import Answer, HttpClient, Patience
from audience_assets.destinations.shapes import record, records, whole

_log = logging.getLogger(__name__)

LISTS_PAGE = 1000
FEED_PAGE = 1000
# The general guide says 10,000, the contacts' own description 5,000.
CONTACTS_PAGE = 5000
# No maximum is documented.
REMOVAL_SIZE = 1000

_LIST = ("id", "name")
_OWN_HOSTS = (".dotdigital.com", ".dotmailer.com")


class DotdigitalClient:
    """One account. Raises the errors of `destinations.base` and of `errors`; objects are as Dotdigital writes them."""

    def __init__(self, settings: DotdigitalSettings, limiter: Limiter, now: Callable[[], datetime]) -> None:
        self.pace = Pace(
            settings.rate_limits,
            low_tier_per_minute=settings.low_tier_per_minute,
            flat_per_hour=settings.flat_per_hour,
        )
        # Whether any answer told a tier, which only the tiered scheme does.
        self.tier_told = False
        self._settings = settings
        self._limiter = limiter
        self._dialect = dialect(now)
        self._first = self._client(settings.base_url)
        self._regional: HttpClient | None = None if settings.find_region else self._first
        self._address = settings.base_url
        self._lock = threading.Lock()

    def _client(self, base_url: str) -> HttpClient:
        user, password = self._settings.api_user, self._settings.password.get_secret_value()
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        return HttpClient(
            base_url,
            headers={
                "Authorization": f"Basic {credentials}",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            dialect=self._dialect,
            limiter=self._limiter,
            patience=Patience(
                tries=self._settings.tries,
                first_wait=self._settings.first_wait_seconds,
                timeout=self._settings.timeout_seconds,
            ),
        )

    @property
    def calls(self) -> int:
        """Requests the current thread has sent."""
        return sum(each.calls for each in {self._first, self._regional or self._first})

    # -- the account --------------------------------------------------------------------------------------------------

    def account_info(self) -> dict[str, str]:
        """The account's properties by name. May be asked in any region's place (hub, "API end points")."""
        body = record(self._send(self._first, calls.ACCOUNT_INFO, "GET", "/v2/account-info").json())
        return {str(each.get("name")): str(each.get("value") or "") for each in records(body.get("properties"))}

    def server_time(self) -> datetime | None:
        """Dotdigital's clock; None where its text is no time."""
        text = self._call(calls.SERVER_TIME, "GET", "/v2/server-time").content.decode(errors="replace").strip(' "\r\n')
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def region(self) -> str:
        """The account's own address; asked for once."""
        self._home()
        return self._address

    def _home(self) -> HttpClient:
        if self._regional is None:
            with self._lock:
                if self._regional is None:
                    self._address = trusted_address(self.account_info().get("ApiEndpoint"), self._settings.base_url)
                    same = self._address == self._settings.base_url
                    self._regional = self._first if same else self._client(self._address)
        return self._regional

    # -- lists (v2) ---------------------------------------------------------------------------------------------------

    def lists(self) -> Iterator[dict[str, Any]]:
        """Every list, Dotdigital's own ones included. There is no search by name."""
        return self._offset_pages(calls.GET_LISTS, "/v2/address-books", LISTS_PAGE, "id")

    def get_list(self, list_id: str) -> dict[str, Any]:
        """ListMissing if there is none of that id."""
        return record(self._get(calls.GET_LIST, f"/v2/address-books/{_whole(list_id)}"), *_LIST)

    def create_list(self, name: str, visibility: str) -> dict[str, Any]:
        """NameTaken if a list or a segment is called so, which a repeated call finds as well."""
        body = {"name": name, "visibility": visibility}
        path = "/v2/address-books"
        return record(self._call(calls.CREATE_LIST, "POST", path, body, repeatable=False).json(), *_LIST)

    def update_list(self, list_id: str, name: str, visibility: str) -> dict[str, Any]:
        """The name is required even when it stays."""
        body = {"name": name, "visibility": visibility}
        path = f"/v2/address-books/{_whole(list_id)}"
        return record(self._call(calls.UPDATE_LIST, "PUT", path, body).json(), *_LIST)

    def unsubscribed(self, list_id: str, since: date) -> Iterator[dict[str, Any]]:
        """Contacts who unsubscribed from this one list. ListMissing."""
        path = f"/v2/address-books/{_whole(list_id)}/contacts/unsubscribed-since/{since.isoformat()}"
        for entry in self._offset_pages(calls.GET_UNSUBSCRIBED, path, FEED_PAGE):
            contact = record(entry.get("suppressedContact"))
            yield contact | {"id": whole(contact.get("id"))}

    def remove(self, list_id: str, contact_ids: Sequence[int]) -> str:
        """Start taking contacts off the list; they stay in the account. Returns the job's id. ListMissing."""
        path = f"/v2/address-books/{_whole(list_id)}/contacts/delete"
        return _job_id(self._call(calls.REMOVE, "POST", path, list(contact_ids)).json(), "id")

    def removal_status(self, job_id: str) -> str:
        found = record(self._get(calls.REMOVAL_STATUS, f"/v2/contacts/deletion/{quote(job_id, safe='')}"))
        # A sample of the vendor's spells the keys Id and Status.
        return str({key.lower(): value for key, value in found.items()}.get("status"))

    # -- contacts (v3) ------------------------------------------------------------------------------------------------

    def contact(self, identifier: str, value: str) -> dict[str, Any] | None:
        """The whole contact; None if there is none. `identifier` is contactId, email or mobileNumber."""
        try:
            found = self._get(calls.GET_CONTACT, f"/contacts/v3/{identifier}/{quote(value, safe='')}")
        except ContactMissing:
            return None
        return _contact(found)

    def contacts(
        self, *, list_id: str | None = None, modified_since: datetime | None = None, include: str | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of contacts, those of a list or those changed since. `include` are data sets, divided by |."""
        query = [f"limit={CONTACTS_PAGE}"]
        if list_id is not None:
            query.append(f"~listId={_whole(list_id)}")
        if modified_since is not None:
            moment = modified_since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            query.append(f"~modified={quote(f'gte::{moment}', safe='')}")
        if include:
            query.append(f"include={quote(include, safe='')}")
        marker: str | None = None
        while True:
            # Filters are sent again with the marker; whether the next link has them is not documented.
            following = [*query, f"marker={quote(marker, safe='')}"] if marker else query
            page = record(self._get(calls.GET_CONTACTS, f"/contacts/v3?{'&'.join(following)}"))
            yield [_contact(each) for each in records(page.get("_items"))]
            links = record(page.get("_links") or {})
            previous, marker = marker, record(links.get("next") or {}).get("marker")
            if not marker:
                return
            if marker == previous:
                raise Unavailable("Dotdigital's page of contacts leads to itself.")

    def import_contacts(self, contacts: Sequence[dict[str, Any]]) -> str:
        """Start writing contacts; returns the import's id. Repeating it is safe: it only adds to lists."""
        # Nothing in the warehouse is to erase anything at the vendor, so empty values never overwrite.
        body = {"mergeOption": "overwriteIfNotEmpty", "contacts": list(contacts)}
        return _job_id(self._call(calls.IMPORT, "PUT", "/contacts/v3/import", body).json(), "importId")

    def import_status(self, import_id: str) -> dict[str, Any]:
        return record(self._get(calls.IMPORT_STATUS, f"/contacts/v3/import/{quote(import_id, safe='')}"))

    # -- sending ------------------------------------------------------------------------------------------------------

    def _offset_pages(self, call: str, path: str, size: int, *needed: str) -> Iterator[dict[str, Any]]:
        skip = 0
        while True:
            page = records(self._get(call, f"{path}?select={size}&skip={skip}"), *needed)
            yield from page
            if len(page) < size:
                return
            skip += size

    def _get(self, call: str, path: str) -> Any:
        return self._call(call, "GET", path).json()

    def _call(self, call: str, method: str, path: str, body: Any = None, *, repeatable: bool = True) -> Answer:
        return self._send(self._home(), call, method, path, body, repeatable=repeatable)

    def _send(
        self, http: HttpClient, call: str, method: str, path: str, body: Any = None, *, repeatable: bool = True
    ) -> Answer:
        answer = http.call(self.pace.leaving(call), method, path, body=body, repeatable=repeatable)
        if self.pace.learn(call, answer.headers):
            self.tier_told = True
        return answer


def trusted_address(told: str | None, asked: str) -> str:
    """The address an account names as its own, without the slash at its end; the password goes nowhere else.

    >>> trusted_address("https://r2-api.dotdigital.com/", "https://r1-api.dotdigital.com")
    'https://r2-api.dotdigital.com'
    """
    if not told:
        return asked
    parts, own = urlsplit(told), urlsplit(asked)
    host = parts.hostname or ""
    if parts.netloc == own.netloc and parts.scheme == own.scheme:
        return told.rstrip("/")
    if parts.scheme == "https" and host.endswith(_OWN_HOSTS) and not parts.username and parts.port in (None, 443):
        return told.rstrip("/")
    raise Misconfigured(
        f"The account names {host or 'nothing'!r} as its address, which is no host of Dotdigital's. If that is right, "
        "set base_url to it and find_region to false."
    )


def _contact(found: Any) -> dict[str, Any]:
    contact = record(found)
    return contact | {"contactId": whole(contact.get("contactId"))}


def _job_id(body: Any, key: str) -> str:
    found = {str(name).lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    if not found.get(key.lower()):
        raise Unavailable("Dotdigital accepted a job without naming it.")
    return str(found[key.lower()])


def _whole(list_id: str) -> int:
    """List ids are whole numbers; anything else would make another path of it."""
    try:
        return int(list_id)
    except ValueError:
        raise Misconfigured(f"{list_id!r} is no id of a Dotdigital list.") from None

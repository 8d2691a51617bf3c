"""Klaviyo's wire format: one method a call, nothing of what it means for a list.

https://developers.klaviyo.com/en/reference/api_overview
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from audience_assets.destinations.base import Endpoint, Limiter, Misconfigured, Unavailable
from audience_assets.destinations.http import Answer, HttpClient, Patience
from audience_assets.destinations.klaviyo.endpoints import (
    CAPS,
    CREATE_LIST,
    GET_ACCOUNTS,
    GET_IMPORT_ERRORS,
    GET_IMPORT_JOB,
    GET_IMPORT_JOBS,
    GET_IMPORT_LISTS,
    GET_LIST,
    GET_LIST_PROFILES,
    GET_LISTS,
    GET_PROFILES,
    IMPORT_PROFILES,
    LONGEST_FILTER,
    REMOVE_MEMBERS,
    SUBSCRIBE,
    UNSUBSCRIBE,
    WRITE_PROFILE,
)
from audience_assets.destinations.klaviyo.errors import DIALECT
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings
from audience_assets.destinations.shapes import record, records

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/vnd.api+json"
_JOBS = "/api/profile-bulk-import-jobs"
_RESOURCE = ("id", "attributes")
_PROFILE_FIELDS = "fields[profile]=email,phone_number,subscriptions&additional-fields[profile]=subscriptions"


class KlaviyoClient:
    """One account. Raises the errors of `destinations.base`; resources are returned as Klaviyo writes them."""

    def __init__(self, settings: KlaviyoSettings, limiter: Limiter) -> None:
        if settings.api_key is None:
            raise Misconfigured("The destination has no api_key, and this takes Klaviyo's API.")
        self.revision = settings.revision
        # The revision Klaviyo says it applied, when an answer has told.
        self.answered_revision: str | None = None
        self.patience = Patience(
            tries=settings.tries, first_wait=settings.first_wait_seconds, timeout=settings.timeout_seconds
        )
        self._http = HttpClient(
            settings.base_url,
            headers={
                "Authorization": f"Klaviyo-API-Key {settings.api_key.get_secret_value()}",
                "revision": settings.revision,
                "Accept": MEDIA_TYPE,
                "Content-Type": MEDIA_TYPE,
            },
            dialect=DIALECT,
            limiter=limiter,
            patience=self.patience,
        )

    @property
    def calls(self) -> int:
        """Requests the current thread has sent."""
        return self._http.calls

    def account(self) -> dict[str, Any]:
        """The account the key belongs to."""
        found = records(self._get(GET_ACCOUNTS, "/api/accounts")["data"], *_RESOURCE)
        return record(found[0] if found else None)

    def lists_named(self, name: str) -> list[dict[str, Any]]:
        """Every list of exactly that name; Klaviyo allows several."""
        path = f"/api/lists?page[size]={CAPS.lists_page}"
        if '"' not in name and "\\" not in name:  # how a filter escapes these is not documented
            path += f"&filter={_any('name', [name])}"
        return [found for found in self._pages(GET_LISTS, path) if found["attributes"].get("name") == name]

    def list(self, list_id: str) -> dict[str, Any]:
        """ListMissing if there is none of that id."""
        return _list(self._get(GET_LIST, f"/api/lists/{quote(list_id, safe='')}"))

    def create_list(self, name: str, opt_in_process: str) -> dict[str, Any]:
        """Makes a second list when repeated: after Unavailable, look the name up."""
        body = {
            "data": {"type": "list", "attributes": {"name": name, "opt_in_process": opt_in_process}},
        }
        return _list(record(self._call(CREATE_LIST, "POST", "/api/lists", body, repeatable=False).json()))

    def profiles(self, field: str, values: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Profiles whose `field` (email, phone_number) is one of `values`, with their consent."""
        for part in _any_filters(field, values):
            path = f"/api/profiles?filter={part}&page[size]={CAPS.lookup}&{_PROFILE_FIELDS}"
            yield from self._pages(GET_PROFILES, path)

    def list_profiles(self, list_id: str, field: str, values: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Members of the list whose `field` is one of `values`, with their consent. ListMissing."""
        path = f"/api/lists/{quote(list_id, safe='')}/profiles"
        for part in _any_filters(field, values):
            query = f"filter={part}&page[size]={CAPS.lookup}&{_PROFILE_FIELDS}"
            yield from self._pages(GET_LIST_PROFILES, f"{path}?{query}")

    def ids_in_list(self, list_id: str, emails: Sequence[str]) -> dict[str, str]:
        """E-mail address in lower case -> profile id, for those of `emails` that are in the list. ListMissing."""
        path = f"/api/lists/{quote(list_id, safe='')}/profiles"
        found = {}
        for part in _any_filters("email", emails):
            query = f"filter={part}&page[size]={CAPS.lookup}&fields[profile]=email"
            for resource in self._pages(GET_LIST_PROFILES, f"{path}?{query}"):
                email = (resource.get("attributes") or {}).get("email")
                if email:
                    found[str(email).strip().lower()] = str(resource["id"])
        return found

    def ids_by_external_id(self, values: Sequence[str]) -> dict[str, str]:
        """External id -> profile id, of the profiles that have one of `values`."""
        found = {}
        for part in _any_filters("external_id", values):
            path = f"/api/profiles?filter={part}&page[size]={CAPS.lookup}&fields[profile]=external_id"
            for resource in self._pages(GET_PROFILES, path):
                found[str((resource.get("attributes") or {}).get("external_id"))] = str(resource["id"])
        return found

    def identities(self, field: str, values: Sequence[str]) -> Iterator[dict[str, str]]:
        """What identifies the profiles whose `field` is one of `values`: email, phone_number, external_id."""
        names = ("email", "phone_number", "external_id")
        for part in _any_filters(field, values):
            path = f"/api/profiles?filter={part}&page[size]={CAPS.lookup}&fields[profile]={','.join(names)}"
            for resource in self._pages(GET_PROFILES, path):
                found = record(resource["attributes"])
                yield {name: str(found[name]) for name in names if found.get(name)}

    def members(self, list_id: str) -> Iterator[dict[str, Any]]:
        """Everybody in the list, in the order of joining. ListMissing."""
        query = f"page[size]={CAPS.members_page}&fields[profile]=email,phone_number&sort=joined_group_at"
        return self._pages(GET_LIST_PROFILES, f"/api/lists/{quote(list_id, safe='')}/profiles?{query}")

    def subscribe(
        self, list_id: str, profiles: Iterable[dict[str, Any]], *, custom_source: str, historical: bool
    ) -> Answer:
        """Subscribe to channels and add to the list; lifts suppressions.

        Never repeated here: whoever opted out between the two calls would be opted in against it.
        """
        attributes: dict[str, Any] = {"custom_source": custom_source, "profiles": {"data": list(profiles)}}
        if historical:
            attributes["historical_import"] = True
        body = _job("profile-subscription-bulk-create-job", attributes, list_id)
        path = "/api/profile-subscription-bulk-create-jobs"
        return self._call(SUBSCRIBE, "POST", path, body, repeatable=False)

    def unsubscribe(self, list_id: str | None, profiles: Iterable[dict[str, Any]]) -> Answer:
        """Unsubscribe from channels and, naming a list, remove from it.

        Never repeated here: whoever is not in the list any more would be unsubscribed from everything.
        """
        body = _job("profile-subscription-bulk-delete-job", {"profiles": {"data": list(profiles)}}, list_id)
        path = "/api/profile-subscription-bulk-delete-jobs"
        return self._call(UNSUBSCRIBE, "POST", path, body, repeatable=False)

    def start_import(self, list_id: str | None, profiles: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Start a job that makes or changes profiles and, naming a list, adds them to it. Writes no consent.

        Never repeated here: the job may be at work, and would land after what is written next. BadRows, ListMissing.
        """
        data: dict[str, Any] = {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": list(profiles)}},
        }
        if list_id is not None:
            data["relationships"] = {"lists": {"data": [{"type": "list", "id": list_id}]}}
        answer = self._call(IMPORT_PROFILES, "POST", _JOBS, {"data": data}, repeatable=False)
        return record(record(answer.json()).get("data"), "id")

    def newest_import_jobs(self) -> Sequence[dict[str, Any]]:
        """How the newest hundred import jobs of the account stand, whoever started them. One call."""
        path = _encoded(f"{_JOBS}?sort=-created_at&page[size]={CAPS.jobs_page}")
        return [_job_state(each) for each in records(self._get(GET_IMPORT_JOBS, path)["data"])]

    def unfinished_import_jobs(self) -> Iterator[dict[str, Any]]:
        """The import jobs of the account that are queued or at work, whoever started them."""
        states = _any("status", ["queued", "processing"])
        return self._pages(GET_IMPORT_JOBS, f"{_JOBS}?filter={states}&page[size]={CAPS.jobs_page}")

    def import_job(self, job_id: str) -> dict[str, Any]:
        """JobMissing if there is none of that id."""
        return _job_state(self._get(GET_IMPORT_JOB, f"{_JOBS}/{quote(job_id, safe='')}")["data"])

    def lists_of_import(self, job_id: str) -> Sequence[str]:
        """Ids of the lists that an import job adds to. JobMissing."""
        path = f"{_JOBS}/{quote(job_id, safe='')}/relationships/lists"
        return [str(each["id"]) for each in records(self._get(GET_IMPORT_LISTS, path)["data"], "id")]

    def import_errors(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The rows of a finished job that failed. JobMissing."""
        path = f"{_JOBS}/{quote(job_id, safe='')}/import-errors?page[size]={CAPS.errors_page}"
        return self._pages(GET_IMPORT_ERRORS, path)

    def write_profile(self, attributes: dict[str, Any]) -> None:
        """Make or change one profile at once; null clears a field. BadBatch."""
        self._call(
            WRITE_PROFILE, "POST", "/api/profile-import", {"data": {"type": "profile", "attributes": attributes}}
        )

    def remove_from_list(self, list_id: str, profile_ids: Iterable[str]) -> None:
        """Take profiles off the list; nobody's consent changes. BadRows for ids that do not exist, ListMissing."""
        body = {"data": [{"type": "profile", "id": each} for each in profile_ids]}
        self._call(REMOVE_MEMBERS, "DELETE", f"/api/lists/{quote(list_id, safe='')}/relationships/profiles", body)

    def _pages(self, endpoint: Endpoint, path: str) -> Iterator[dict[str, Any]]:
        following: str | None = _encoded(path)
        while following:
            page = self._get(endpoint, following)
            yield from records(page["data"], *_RESOURCE)
            previous, following = following, record(page.get("links") or {}).get("next")
            if following == previous:
                raise Unavailable("Klaviyo's page leads to itself.")

    def _get(self, endpoint: Endpoint, path: str) -> dict[str, Any]:
        """A document, whose `data` there is."""
        return record(self._call(endpoint, "GET", path).json(), "data")

    def _call(self, endpoint: Endpoint, method: str, path: str, body: Any = None, *, repeatable: bool = True) -> Answer:
        answer = self._http.call(endpoint, method, path, body=body, repeatable=repeatable)
        applied = answer.headers.get("x-klaviyo-api-revision")
        if applied and applied != self.answered_revision:
            self.answered_revision = applied
            if applied != self.revision:
                _log.warning("Klaviyo applied API revision %s, not the %s we ask for.", applied, self.revision)
        return answer


def _list(document: dict[str, Any]) -> dict[str, Any]:
    found = record(document.get("data"), "id", "attributes")
    record(found["attributes"], "name")
    return found


def _job_state(resource: Any) -> dict[str, Any]:
    found = record(resource, *_RESOURCE)
    record(found["attributes"], "status")
    return found


def _encoded(path: str) -> str:
    return path.replace("[", "%5B").replace("]", "%5D")


def _job(kind: str, attributes: dict[str, Any], list_id: str | None) -> dict[str, Any]:
    data: dict[str, Any] = {"type": kind, "attributes": attributes}
    if list_id is not None:
        data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    return {"data": data}


def _any(field: str, values: Sequence[str]) -> str:
    """`any(field,["a","b"])`, encoded: an unencoded + would be read as a blank and match nothing."""
    return quote(f"any({field},{orjson.dumps(values).decode()})", safe="")


def _any_filters(field: str, values: Sequence[str]) -> Iterator[str]:
    """Filters over all `values`, each of at most 100 and short enough for an address."""
    overhead = len(_any(field, []))
    part: list[str] = []
    length = overhead
    for value in values:
        needs = len(quote(f'"{value}",', safe=""))
        if part and (len(part) == CAPS.lookup or length + needs > LONGEST_FILTER):
            yield _any(field, part)
            part, length = [], overhead
        part.append(value)
        length += needs
    if part:
        yield _any(field, part)

"""A caller of the sandbox's Klaviyo who writes raw HTTP, so that rules are tested without our own client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import requests

from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.klaviyo import ConsentState, KlaviyoAccount, KlaviyoSwitches

KEY = "pk_test_0123456789abcdef"
SUBSCRIBE = "profile-subscription-bulk-create-job"
UNSUBSCRIBE = "profile-subscription-bulk-delete-job"
SUPPRESS = "profile-suppression-bulk-create-job"
UNSUPPRESS = "profile-suppression-bulk-delete-job"
IMPORT = "profile-bulk-import-job"

Json = dict[str, Any]


class Caller:
    """One account, one key, a clock that stands still until `wait`."""

    def __init__(self, sandbox: Sandbox, account: KlaviyoAccount, clock: VirtualClock) -> None:
        self.sandbox = sandbox
        self.account = account
        self.clock = clock
        self.session = requests.Session()
        self.session.headers.update(
            {"Authorization": f"Klaviyo-API-Key {KEY}", "revision": "2026-07-15", "Accept": "application/vnd.api+json"}
        )

    @property
    def switches(self) -> KlaviyoSwitches:
        return self.account.switches

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        **parameters: Any,
    ) -> requests.Response:
        """`page_size=10` becomes `page[size]=10`; `fields_profile` becomes `fields[profile]`."""
        sent = dict(headers or {})
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else orjson.dumps(body)
            sent.setdefault("Content-Type", "application/vnd.api+json")
        query = {_bracketed(name): value for name, value in parameters.items()}
        address = path if path.startswith("http") else self.sandbox.url + path
        return self.session.request(method, address, params=query, data=data, headers=sent, timeout=30)

    def get(self, path: str, **parameters: Any) -> Json:
        answer = self.call("GET", path, **parameters)
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        return document

    def pages(self, path: str, **parameters: Any) -> Iterator[Json]:
        """Every page, by following `links.next`."""
        page = self.get(path, **parameters)
        while True:
            yield page
            if page["links"]["next"] is None:
                return
            page = self.get(page["links"]["next"])

    def post_job(
        self, kind: str, rows: Sequence[Any], list_id: str | None = None, **attributes: Any
    ) -> requests.Response:
        return self.call("POST", f"/api/{kind}s", job_body(kind, rows, list_id, **attributes))

    def wait(self, seconds: float = 1.0) -> None:
        """Long enough for everything accepted to take effect."""
        self.clock.advance(seconds)

    def consent(self, address: str, channel: str = "email") -> ConsentState:
        state = self.account.consent(address, channel)
        assert state is not None
        return state

    def emails(self, list_id: str) -> set[str | None]:
        return {profile.email for profile in self.account.members(list_id)}


def _bracketed(name: str) -> str:
    for prefix in ("additional_fields_", "fields_", "page_"):
        if name.startswith(prefix):
            return f"{prefix[:-1].replace('_', '-')}[{name.removeprefix(prefix).replace('_', '-')}]"
    return name


def job_body(kind: str, rows: Sequence[Any], list_id: str | None = None, **attributes: Any) -> Json:
    data: Json = {"type": kind, "attributes": {"profiles": {"data": list(rows)}, **attributes}}
    if list_id is not None:
        reference = {"type": "list", "id": list_id}
        data["relationships"] = {"lists": {"data": [reference]}} if kind == IMPORT else {"list": {"data": reference}}
    return {"data": data}


def subscriber(
    email: str | None = None, phone: str | None = None, *, profile_id: str | None = None, **extra: Any
) -> Json:
    """A subscribe row on the channels of the identifiers given; `at` is the consent date."""
    at = extra.pop("at", None)
    consent = {"consent": "SUBSCRIBED"} | ({"consented_at": at} if at else {})
    subscriptions = {}
    attributes: Json = {}
    if email:
        attributes["email"] = email
        subscriptions["email"] = {"marketing": consent}
    if phone:
        attributes["phone_number"] = phone
        subscriptions["sms"] = {"marketing": consent}
    attributes |= {"subscriptions": subscriptions} | extra
    row: Json = {"type": "profile", "attributes": attributes}
    return row | ({"id": profile_id} if profile_id else {})


def unsubscriber(email: str | None = None, phone: str | None = None, **extra: Any) -> Json:
    """An unsubscribe row on the channels of the identifiers given."""
    subscriptions = {}
    if email:
        subscriptions["email"] = {"marketing": {"consent": "UNSUBSCRIBED"}}
    if phone:
        subscriptions["sms"] = {"marketing": {"consent": "UNSUBSCRIBED"}}
    given = {"email": email, "phone_number": phone}
    attributes = {name: value for name, value in given.items() if value}
    return {"type": "profile", "attributes": attributes | {"subscriptions": subscriptions} | extra}


def person(**attributes: Any) -> Json:
    """A row of an import or a suppression."""
    return {"type": "profile", "attributes": attributes}


def errors(answer: requests.Response, status: int = 400) -> list[Json]:
    assert answer.status_code == status, answer.text
    found: list[Json] = answer.json()["errors"]
    return found


def pointers(answer: requests.Response, status: int = 400) -> list[str]:
    """Where the errors of a refusal point to."""
    return [error["source"].get("pointer", "") for error in errors(answer, status)]


def parameter(answer: requests.Response, status: int = 400) -> str:
    """The query parameter that a refusal names."""
    named: str = errors(answer, status)[0]["source"]["parameter"]
    return named

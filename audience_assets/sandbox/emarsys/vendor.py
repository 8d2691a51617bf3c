"""The Emarsys twin: credentials, limits, permissions, then the operation."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any

import orjson

from audience_assets.sandbox.clock import Clock, RealClock
from audience_assets.sandbox.emarsys import commands, views
from audience_assets.sandbox.emarsys.account import EmarsysAccount
from audience_assets.sandbox.emarsys.answers import Refusal, failure, refused
from audience_assets.sandbox.emarsys.api import contacts, fields, lists, members
from audience_assets.sandbox.emarsys.auth import ALL_PERMISSIONS, Credential, Credentials
from audience_assets.sandbox.emarsys.call import Call, Operation
from audience_assets.sandbox.emarsys.switches import EmarsysSwitches
from audience_assets.sandbox.messages import Request, Response
from audience_assets.sandbox.vendor import View
from audience_assets.sandbox.windows import Verdict, Window, Windows

TOKEN_PATH = "/oauth2/token"  # noqa: S105
_API = re.compile(r"/api/(v2|v3)(/.*)")
_OPERATIONS = (*lists.OPERATIONS, *members.OPERATIONS, *contacts.OPERATIONS, *fields.OPERATIONS)
_ROUTES = [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", each.path)), each) for each in _OPERATIONS]


class EmarsysSandbox:
    """Any number of Emarsys accounts: the API under `/api`, tokens under `/oauth2/token`.

    With `rate_limits=False` the window is shown but never refuses.
    """

    name = "emarsys"
    title = "Emarsys"

    def __init__(self, *, rate_limits: bool = True, switches: EmarsysSwitches | None = None) -> None:
        self.clock: Clock = RealClock()
        self.rate_limits = rate_limits
        self.switches = switches or EmarsysSwitches()
        self.accounts: dict[str, EmarsysAccount] = {}
        self.credentials = Credentials()
        self._windows = Windows()

    def account(
        self,
        name: str = "demo",
        *,
        client: tuple[str, str] | None = None,
        user: tuple[str, str] | None = None,
        permissions: Iterable[str] = ALL_PERMISSIONS,
    ) -> EmarsysAccount:
        """The account of that name, made when new. `client` (id, secret) may call v3, `user` (name, secret) v2."""
        if name not in self.accounts:
            self.accounts[name] = EmarsysAccount(name, self.switches, self._now)
        found = self.accounts[name]
        for version, pair in (("v3", client), ("v2", user)):
            if pair is not None:
                self.credentials.add(Credential(*pair, found, frozenset(permissions), version))
        return found

    def _now(self) -> float:
        # The sandbox may hand in its own clock after accounts were made.
        return self.clock.now()

    def endpoint(self, request: Request) -> str:
        if request.path.rstrip("/") == TOKEN_PATH:
            return "token"
        found = _route(request)
        return found[1].name if found and found[1] else ""

    def handle(self, request: Request) -> Response:
        """Answer a call: credentials, limit, route, permission, size, then the body."""
        headers = {"Date": formatdate(self._now(), usegmt=True), "Content-Type": "application/json"}
        credential: Credential | None = None
        if request.path == TOKEN_PATH and request.method == "POST":
            response = self.credentials.token(request, self._now(), self.switches.token_seconds)
            response.headers = headers
            return response
        try:
            api = _API.fullmatch(request.path)
            if api is None:
                raise Refusal(404, None, "Not Found")
            credential = self.credentials.authenticate(request, api[1], self._now())
            verdict = self._limit(credential)
            headers |= self._limit_headers(verdict)
            if not verdict.allowed:
                raise _throttled()
            response = self._operate(request, api[1], credential)
        except Refusal as refusal:
            response = refused(refusal, self.switches)
        if self.switches.json_called_html:
            headers["Content-Type"] = "text/html; charset=utf-8"
        response.headers = headers | response.headers
        response.account = credential.account.name if credential else ""
        return response

    def refuse(self, status: int, retry_after: int | None) -> Response:
        now = self._now()
        headers = {"Date": formatdate(now, usegmt=True), "Content-Type": "application/json"}
        if status != 429:
            return Response(status, failure(status).body, headers)
        if retry_after is not None:
            # There is no Retry-After here, but the second at which calls are taken again.
            headers["X-RateLimit-Reset"] = str(math.ceil(now + retry_after))
        return Response(429, refused(_throttled(), self.switches).body, headers)

    def command(self, name: str, arguments: dict[str, Any]) -> Any:
        return commands.run(self, name, arguments)

    def view(self, path: str, parameters: dict[str, str]) -> View | None:
        return views.show(self, path, parameters)

    def _operate(self, request: Request, version: str, credential: Credential) -> Response:
        found = _route(request)
        if found is None:
            raise Refusal(400, 1, "Action is invalid.")
        ids, operation = found
        if operation is None:
            raise Refusal(400, 1009, "Method not allowed")
        if operation.permission not in credential.permissions:
            raise Refusal(403, None, "Forbidden")
        if len(request.body) > self.switches.max_body_bytes:
            raise Refusal(413, None, "Request Entity Too Large")
        account = credential.account
        with account.lock:
            return operation.handler(Call(account, request, version, ids, _body(request)))

    def _limit(self, credential: Credential) -> Verdict:
        """One window of a minute for everything that a credential asks for."""
        most = self.switches.requests_per_minute
        if not self.rate_limits:
            return Verdict(True, most - 1, 0.0)
        key = f"{credential.version}/{credential.name}"
        return self._windows.take(key, [Window(most, 60)], self._now())

    def _limit_headers(self, verdict: Verdict) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.switches.requests_per_minute),
            "X-Ratelimit-Remaining": str(verdict.remaining),
            "X-RateLimit-Reset": str(math.ceil(self._now() + verdict.reset)),
        }


def _throttled() -> Refusal:
    return Refusal(429, 7003, "Too many requests for this account and resource within the last minute.")


def _route(request: Request) -> tuple[dict[str, str], Operation | None] | None:
    """The ids in the path and its operation, None for another method; None when there is no such path."""
    api = _API.fullmatch(request.path)
    if api is None:
        return None
    path, known = api[2].rstrip("/"), None
    for pattern, operation in _ROUTES:
        found = pattern.fullmatch(path)
        if found:
            known = found.groupdict()
            if operation.method == request.method:
                return known, operation
    return None if known is None else (known, None)


def _body(request: Request) -> Any:
    if request.method == "GET" or not request.body:
        return {}
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Refusal(400, 1010, "Invalid JSON in the request body") from None

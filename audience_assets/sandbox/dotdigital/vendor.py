"""The Dotdigital twin: credentials, region, limits, then the operation."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from audience_assets.sandbox.clock import Clock, RealClock
from audience_assets.sandbox.dotdigital import commands, views
from audience_assets.sandbox.dotdigital.account import AccountSettings, DotdigitalAccount
from audience_assets.sandbox.dotdigital.call import TIERS, UNLIMITED, Call, Operation
from audience_assets.sandbox.dotdigital.errors import FLAT_LIMIT, UNAUTHORIZED, Refusal, v2, v3
from audience_assets.sandbox.dotdigital.routes import Routes, split_region
from audience_assets.sandbox.dotdigital.switches import DotdigitalSwitches
from audience_assets.sandbox.messages import Request, Response
from audience_assets.sandbox.vendor import View
from audience_assets.sandbox.windows import Window, Windows

JSON = "application/json; charset=utf-8"
FLAT_CALLS, FLAT_SECONDS = 2000, 3600
NO_LIMIT = 1_000_000
WRONG_REGION = b"<!DOCTYPE html><html><body><h2>403 - Forbidden: Access is denied.</h2></body></html>"


@dataclass(slots=True)
class ApiUser:
    """Its rate-limit scheme is its own; the counters are the account's."""

    account: DotdigitalAccount
    password: str
    scheme: str


class DotdigitalSandbox:
    """Any number of Dotdigital accounts. With `rate_limits=False` the tiers are so wide that nobody meets them."""

    name = "dotdigital"
    title = "Dotdigital"

    def __init__(
        self,
        *,
        rate_limits: bool = True,
        tiers: dict[str, int] | None = None,
        switches: DotdigitalSwitches | None = None,
    ) -> None:
        self.clock: Clock = RealClock()
        self.rate_limits = rate_limits
        self.tiers = {**TIERS, **(tiers or {})}
        self.flat_calls = FLAT_CALLS
        self.switches = switches or DotdigitalSwitches()
        self.accounts: dict[str, DotdigitalAccount] = {}
        self._users: dict[str, ApiUser] = {}
        self._routes = Routes()
        self._windows = Windows()

    def account(
        self,
        name: str = "demo",
        *,
        user: str | None = None,
        password: str = "",
        scheme: str = "tiered",
        settings: AccountSettings | None = None,
    ) -> DotdigitalAccount:
        """The account of that name, made when new; `user` becomes one of its API users, tiered or flat."""
        if name not in self.accounts:
            self.accounts[name] = DotdigitalAccount(name, settings or AccountSettings(), self.switches, self._now)
        found = self.accounts[name]
        if settings is not None:
            found.settings = settings
        if user is not None:
            self._users[user] = ApiUser(found, password, scheme)
        return found

    def _now(self) -> float:
        # The sandbox may hand in its own clock after accounts were made.
        return self.clock.now()

    def endpoint(self, request: Request) -> str:
        found = self._routes.find(request.method, split_region(request.path)[1])
        return found[0].name if found else ""

    def handle(self, request: Request) -> Response:
        """Answer a call: credentials, region, route, limits, body, then the operation."""
        region, path = split_region(request.path)
        account: DotdigitalAccount | None = None
        headers: dict[str, str] = {}
        try:
            user = self._authenticate(request)
            account = user.account
            found = self._routes.find(request.method, path)
            home = account.settings.region
            # Account information may be asked in r1 wherever the account lives.
            if home is not None and region != home and path.rstrip("/") != "/v2/account-info":
                return Response(403, WRONG_REGION, {"Content-Type": "text/html"}, account=account.name)
            if found is None:
                raise Refusal(404, {"message": "No HTTP resource was found that matches the request URI."})
            operation, ids = found
            headers = self._count(user, operation)
            body = self._body(request, operation)
            query = dict(parse_qsl(request.query_string, keep_blank_values=True))
            with account.lock:
                response = operation.handler(Call(account, request, account.settle(), ids, query, body))
        except Refusal as refused:
            told = b"" if refused.body is None else orjson.dumps(refused.body)
            response = Response(refused.status, told, dict(refused.headers))
        response.headers = headers | response.headers
        if response.body:
            response.headers.setdefault("Content-Type", JSON)
        response.account = account.name if account else ""
        return response

    def refuse(self, status: int, retry_after: int | None) -> Response:
        if status == 429:
            return Response(429, b"", self._exhausted("lowCallRate", 0, retry_after))
        return Response(status, b"<html><body>Service unavailable</body></html>", {"Content-Type": "text/html"})

    def command(self, name: str, arguments: dict[str, Any]) -> Any:
        return commands.run(self, name, arguments)

    def view(self, path: str, parameters: dict[str, str]) -> View | None:
        return views.show(self, path, parameters)

    def _authenticate(self, request: Request) -> ApiUser:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise UNAUTHORIZED from None
        user = self._users.get(name)
        if scheme != "Basic" or user is None or user.password != password:
            raise UNAUTHORIZED
        return user

    def _count(self, user: ApiUser, operation: Operation) -> dict[str, str]:
        """Headers about the tier, or a refusal when its calls are used up."""
        account, now = user.account, self.clock.now()
        with account.lock:
            while account.calls and account.calls[0] <= now - FLAT_SECONDS:
                account.calls.popleft()
            if user.scheme == "flat" and self.rate_limits and len(account.calls) >= self.flat_calls:
                raise FLAT_LIMIT
            account.calls.append(now)
        if user.scheme == "flat" or operation.tier == UNLIMITED:
            return {}
        if not self.rate_limits:
            return self._tier_headers(operation.tier, NO_LIMIT, NO_LIMIT - 1, 60 - now % 60)
        limit = self.tiers[operation.tier]
        verdict = self._windows.take(f"{account.id}/{operation.tier}", (Window(limit, 60),), now)
        if not verdict.allowed:
            # The body of this is not documented, and the vendor's own client ignores it.
            raise Refusal(429, None, self._tier_headers(operation.tier, limit, 0, verdict.retry_after))
        return self._tier_headers(operation.tier, limit, verdict.remaining, verdict.reset)

    def _exhausted(self, tier: str, remaining: int, seconds: int | None) -> dict[str, str]:
        headers = self._tier_headers(tier, self.tiers[tier], remaining, seconds or 0)
        if seconds is None:
            del headers["X-RateLimit-Reset"]
        return headers

    def _tier_headers(self, tier: str, limit: int, remaining: int, seconds: float) -> dict[str, str]:
        reset = self.clock.now() + seconds if self.switches.reset_is_a_moment else seconds
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(math.ceil(reset)),
            "X-RateLimit-Scope": tier,
        }

    def _body(self, request: Request, operation: Operation) -> Any:
        if request.method not in ("POST", "PUT", "PATCH") or operation.name == "empty_list":
            return None
        if operation.name == "import_contacts" and len(request.body) > self.switches.max_import_bytes:
            # What a greater body yields is not documented.
            raise Refusal(413, None)
        try:
            return orjson.loads(request.body)
        except orjson.JSONDecodeError:
            if operation.is_v3:
                raise v3(400, "badJson", "The body is not JSON.") from None
            raise v2(400, "ERROR_PARAMETER_INVALID") from None

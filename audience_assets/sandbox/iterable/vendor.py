"""The Iterable twin: key, route, limits, then the operation."""

from __future__ import annotations

from typing import Any

import orjson

from audience_assets.sandbox.clock import Clock, RealClock
from audience_assets.sandbox.iterable import commands, views
from audience_assets.sandbox.iterable.api.membership import LIST_WRITES
from audience_assets.sandbox.iterable.call import Call, Operation
from audience_assets.sandbox.iterable.errors import Refusal, bad_json, envelope, no_such_route, refusal, server_error
from audience_assets.sandbox.iterable.project import IterableProject
from audience_assets.sandbox.iterable.routes import Routes
from audience_assets.sandbox.iterable.switches import IterableSwitches
from audience_assets.sandbox.iterable.users import EMAIL
from audience_assets.sandbox.messages import Request, Response
from audience_assets.sandbox.vendor import View
from audience_assets.sandbox.windows import Window, Windows

PERIODS = {1: "second", 60: "minute"}
FIRST_PROJECT = 9079


class IterableSandbox:
    """Any number of Iterable projects. With `rate_limits=False` nothing is refused for coming too often."""

    name = "iterable"
    title = "Iterable"

    def __init__(self, *, rate_limits: bool = True, switches: IterableSwitches | None = None) -> None:
        self.clock: Clock = RealClock()
        self.rate_limits = rate_limits
        self.switches = switches or IterableSwitches()
        self.projects: dict[str, IterableProject] = {}
        self._keys: dict[str, tuple[IterableProject, bool]] = {}
        self._routes = Routes()
        self._windows = Windows()

    def project(
        self, name: str = "demo", *, key: str | None = None, project_type: str = EMAIL, writes: bool = True
    ) -> IterableProject:
        """The project of that name, made when new; `key` becomes one of its keys, read-only without `writes`."""
        if name not in self.projects:
            number = FIRST_PROJECT + len(self.projects)
            self.projects[name] = IterableProject(number, name, project_type, self.switches, self._now)
        found = self.projects[name]
        if key is not None:
            self._keys[key] = (found, writes)
        return found

    def _now(self) -> float:
        # The sandbox may hand in its own clock after projects were made.
        return self.clock.now()

    def endpoint(self, request: Request) -> str:
        found = self._routes.find(request.method, request.path)
        return found[0].name if found else ""

    def handle(self, request: Request) -> Response:
        """Answer a call."""
        project: IterableProject | None = None
        try:
            found = self._routes.find(request.method, request.path)
            if found is None:
                return no_such_route()
            operation, ids = found
            project = self._authenticate(request, operation)
            self._limit(request, project, operation)
            response = self._operate(request, project, operation, ids)
        except Refusal as refused:
            response = refused.response
        response.headers = self._headers(request) | response.headers
        response.account = project.name if project else ""
        return response

    def _headers(self, request: Request) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Request-Time": "1",
            "Server": "iterable-ingress sandbox",
            "Vary": "Origin",
            "Iterable-Request-Id": request.id,
        }

    def refuse(self, status: int, retry_after: int | None) -> Response:
        response = throttled("") if status == 429 else server_error(status)
        response.headers["Content-Type"] = "application/json"
        if status == 429 and retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response

    def command(self, name: str, arguments: dict[str, Any]) -> Any:
        return commands.run(self, name, arguments)

    def view(self, path: str, parameters: dict[str, str]) -> View | None:
        return views.show(self, path, parameters)

    def _authenticate(self, request: Request, operation: Operation) -> IterableProject:
        key = request.headers.get("api-key") or request.headers.get("api_key") or ""
        found = self._keys.get(key)
        params = {"ip": "203.0.113.7", "endpoint": request.path}
        if found is None:
            raise refusal(401, "BadApiKey", "Invalid API key", params)
        project, writes = found
        if operation.writes and not writes:
            more = {"apiKeyIdentifier": "0a1b2c3d", "apiKeyType": "ServerSide"}
            raise refusal(401, "BadApiKey", "Disabled API key or insufficient privileges", params | more)
        return project

    def _limit(self, request: Request, project: IterableProject, operation: Operation) -> None:
        window, name = operation.limit, operation.name
        if name in LIST_WRITES and self.switches.list_calls_per_second is not None:
            window = Window(self.switches.list_calls_per_second, 1)
        if operation.shared is not None and self.switches.reads_share_limit:
            name = operation.shared
        if window is None or not self.rate_limits:
            return
        verdict = self._windows.take(f"{project.id}/{name}", (window,), self.clock.now())
        if not verdict.allowed:
            told = f" of {window.calls:.1f} per {PERIODS[window.seconds]}" if self.switches.tell_limit else ""
            response = throttled(f"{told} for endpoint: {request.path}, project: {project.id} ")
            if self.switches.send_retry_after:
                response.headers["Retry-After"] = str(verdict.retry_after)
            raise Refusal(response)

    def _operate(
        self, request: Request, project: IterableProject, operation: Operation, ids: dict[str, str]
    ) -> Response:
        if len(request.body) > self.switches.max_body:
            raise refusal(413, "BadParams", "Request body is too large", {})
        body = _body(request) if request.method in ("POST", "PUT") else None
        with project.lock:
            call = Call(project, request, project.settle(), ids, dict(request.query()), body)
            return operation.handler(call)


def _body(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise bad_json(request.path, {}) from None
    if not isinstance(body, dict):
        raise bad_json(request.path, {"obj": "Object value expected"})
    return body


def throttled(told: str) -> Response:
    return envelope(429, "RateLimitExceeded", f"Exceeded rate limit{told}", {})

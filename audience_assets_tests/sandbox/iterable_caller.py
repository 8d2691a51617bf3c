"""A caller of the sandbox's Iterable who writes raw HTTP, so that rules are tested without our own client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
import requests

from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.iterable import IterableProject, IterableSandbox, IterableSwitches

KEY = "0123456789abcdef0123456789abcdef"
SUBSCRIBE, UNSUBSCRIBE = "/api/lists/subscribe", "/api/lists/unsubscribe"
BULK_UPDATE = "/api/users/bulkUpdate"
ANN, BOB = "ann@example.com", "bob@example.com"


class Caller:
    """One project, one key, a clock that stands still until `wait`."""

    def __init__(self, sandbox: Sandbox, project: IterableProject, clock: VirtualClock, key: str = KEY) -> None:
        self.sandbox = sandbox
        self.project = project
        self.clock = clock
        self.key = key
        self.session = requests.Session()

    def of_type(self, project_type: str) -> Caller:
        made = self.sandbox.iterable.project(project_type, key=project_type, project_type=project_type)
        return Caller(self.sandbox, made, self.clock, project_type)

    @property
    def switches(self) -> IterableSwitches:
        return self.project.switches

    def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str | None] | None = None, **query: Any
    ) -> requests.Response:
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        sent = {"Api-Key": self.key, "Content-Type": "application/json", **(headers or {})}
        return self.session.request(method, self.sandbox.url + path, params=query, data=data, headers=sent, timeout=30)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def make_list(self, name: str = "VIP") -> int:
        made: int = self.post("/api/lists", {"name": name})["listId"]
        return made

    def subscribe(self, list_id: int, *rows: dict[str, Any], existing_only: bool = False) -> Any:
        body = {"listId": list_id, "subscribers": list(rows), "updateExistingUsersOnly": existing_only}
        return self.post(SUBSCRIBE, body)

    def wait(self, seconds: float = 3.0) -> None:
        self.clock.advance(seconds)

    def members(self, list_id: int, **query: Any) -> list[str]:
        answer = self.call("GET", "/api/lists/getUsers", listId=list_id, **query)
        assert answer.status_code == 200, answer.text
        return answer.text.splitlines()


def error(answer: requests.Response, status: int) -> tuple[str, str, Any]:
    """code, msg, params"""
    assert answer.status_code == status, answer.text
    body = answer.json()
    return body["code"], body["msg"], body["params"]


def caller(*, rate_limits: bool) -> Iterator[Caller]:
    vendor, clock = IterableSandbox(rate_limits=rate_limits), VirtualClock()
    project = vendor.project("demo", key=KEY)
    with Sandbox([vendor], clock=clock) as sandbox:
        made = Caller(sandbox, project, clock)
        with made.session:
            yield made


@pytest.fixture
def iterable() -> Iterator[Caller]:
    """An email project without rate limits on a clock that the test moves."""
    yield from caller(rate_limits=False)


@pytest.fixture
def limited() -> Iterator[Caller]:
    """The same with Iterable's rate limits."""
    yield from caller(rate_limits=True)

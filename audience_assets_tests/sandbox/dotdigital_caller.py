"""A caller of the sandbox's Dotdigital who writes raw HTTP, so that rules are tested without our own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import requests

from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.dotdigital import DotdigitalAccount, DotdigitalSandbox, DotdigitalSwitches

USER, PASSWORD = "apiuser-0123456789ab@apiconnector.com", "correct horse 7"
IMPORT = "/contacts/v3/import"

Json = dict[str, Any]


class DotdigitalCaller:
    """One account, one API user, a clock that stands still until it is moved."""

    def __init__(self, sandbox: Sandbox, account: DotdigitalAccount, clock: VirtualClock) -> None:
        self.sandbox = sandbox
        self.account = account
        self.clock = clock
        self.session = requests.Session()
        self.session.auth = (USER, PASSWORD)

    @property
    def vendor(self) -> DotdigitalSandbox:
        found: DotdigitalSandbox = self.sandbox.dotdigital
        return found

    @property
    def switches(self) -> DotdigitalSwitches:
        return self.account.switches

    def call(self, method: str, path: str, body: Any = None, **parameters: Any) -> requests.Response:
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        return self.session.request(method, self.sandbox.url + path, data=data, params=parameters, timeout=10)

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.call("GET", path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def make_list(self, name: str = "Readers") -> int:
        made: int = self.account.create_list(name).id
        return made

    def start_import(self, *rows: Json) -> str:
        answer = self.call("PUT", IMPORT, {"contacts": list(rows)})
        assert answer.status_code == 202, answer.text
        started: str = answer.json()["importId"]
        return started

    def run_import(self, *rows: Json) -> Json:
        """The report of a finished import."""
        job = self.start_import(*rows)
        self.account.finish_jobs()
        report: Json = self.get(f"{IMPORT}/{job}")
        return report

    def emails(self, list_id: int) -> set[str | None]:
        return {contact.email for contact in self.account.members(list_id)}


def person(email: str, *lists: int, **extra: Any) -> Json:
    """An import's row."""
    row: Json = {"matchIdentifier": "email", "identifiers": {"email": email}, **extra}
    return row | ({"lists": list(lists)} if lists else {})


def codes(report: Json) -> dict[str, str]:
    """Failures of an import: identifier -> code."""
    return {next(iter(each["identifiers"].values())): each["failures"][0]["failureCode"] for each in report["failures"]}


@pytest.fixture
def dotdigital() -> Iterator[DotdigitalCaller]:
    clock = VirtualClock()
    vendor = DotdigitalSandbox(rate_limits=False)
    with Sandbox([vendor], clock=clock) as sandbox:
        yield DotdigitalCaller(sandbox, vendor.account("demo", user=USER, password=PASSWORD), clock)

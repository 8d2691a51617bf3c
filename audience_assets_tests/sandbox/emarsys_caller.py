"""A caller of the sandbox's Emarsys who writes raw HTTP, so that rules are tested without our own client."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.emarsys import EmarsysAccount, EmarsysSandbox, EmarsysSwitches

CLIENT, USER = ("client", "hush"), ("demo001", "s3cr3t")


class EmarsysCaller:
    """One account, one client, one user, a clock that stands still."""

    def __init__(self, sandbox: Sandbox, account: EmarsysAccount, clock: VirtualClock) -> None:
        self.sandbox = sandbox
        self.account = account
        self.clock = clock
        self.session = requests.Session()
        self.url = sandbox.url_of("emarsys")

    @property
    def switches(self) -> EmarsysSwitches:
        return self.account.switches

    def token(self, user: tuple[str, str] = CLIENT, **form: str) -> requests.Response:
        data = {"grant_type": "client_credentials", **form}
        return self.session.post(f"{self.url}/oauth2/token", data=data, auth=user, timeout=10)

    def sign_in(self) -> None:
        token = self.token().json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(
        self, method: str, path: str, body: Any = None, *, version: str = "v3", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        address = f"{self.url}/api/{version}{path}"
        sent = {"json": body} if not isinstance(body, bytes) else {"data": body}
        return self.session.request(method, address, headers=headers, timeout=10, **sent)

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.call("POST", path, body)

    def data(self, answer: requests.Response) -> Any:
        """What a success returned."""
        document = answer.json()
        assert (answer.status_code, document["replyCode"], document["replyText"]) == (200, 0, "OK"), answer.text
        return document["data"]

    def change(self, list_id: int, how: str, *values: Any, key: Any = "3") -> Any:
        return self.data(self.post(f"/contactlist/{list_id}/{how}", key_id=key, external_ids=list(values)))

    def wsse(self, *, at: float | None = None, secret: str = USER[1], **changed: str) -> dict[str, str]:
        """A signature, with the attributes in the order and case of Emarsys' own Postman script."""
        moment = datetime.fromtimestamp(self.clock.now() if at is None else at, UTC)
        created = changed.get("created") or moment.isoformat(timespec="milliseconds")
        nonce = "d36e316282959a9ed4c89851497a717f"
        hashed = hashlib.sha1((nonce + created + secret).encode(), usedforsecurity=False).hexdigest()
        digest = base64.b64encode(hashed.encode()).decode()
        given = f'Username="{USER[0]}", PasswordDigest="{digest}", Created="{created}", nonce="{nonce}"'
        return {"X-WSSE": f"UsernameToken {given}"}


def refusal(answer: requests.Response) -> tuple[int, int | None]:
    """Status and code of a refusal, whose data are an empty text."""
    document = answer.json()
    assert document["data"] == ""
    assert document["replyText"]
    return answer.status_code, document["replyCode"]


@contextmanager
def emarsys_caller(*, rate_limits: bool = True) -> Iterator[EmarsysCaller]:
    clock = VirtualClock()
    vendor = EmarsysSandbox(rate_limits=rate_limits)
    account = vendor.account("demo", client=CLIENT, user=USER)
    with Sandbox([vendor], clock=clock) as sandbox:
        caller = EmarsysCaller(sandbox, account, clock)
        with caller.session:
            caller.sign_in()
            yield caller


@pytest.fixture
def emarsys() -> Iterator[EmarsysCaller]:
    with emarsys_caller() as caller:
        yield caller

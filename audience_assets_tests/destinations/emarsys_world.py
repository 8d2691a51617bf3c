"""An Emarsys account to sync with: the sandbox on a clock that tests move, and services connected to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from audience_assets.destinations.base import Connection, ListRef, Member, Report
from audience_assets.destinations.emarsys.contact_list import ContactList
from audience_assets.destinations.emarsys.settings import ContactListOptions, EmarsysSettings
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.emarsys import EmarsysAccount, EmarsysSandbox, EmarsysSwitches

LIST_NAME = "Spring readers"
_numbers = itertools.count(1)


@dataclass
class EmarsysWorld:
    """One account with a client for v3 and a user for v2. `limiter` waits by moving the clock, so nothing sleeps."""

    sandbox: Sandbox
    account: EmarsysAccount
    clock: VirtualClock
    limiter: SlidingLimiter
    secret: str
    version: str = "v3"
    email_case: str = "lower"

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    @property
    def switches(self) -> EmarsysSwitches:
        return self.account.switches

    @property
    def credentials(self) -> dict[str, str]:
        if self.version == "v3":
            return {"client_id": "client", "client_secret": self.secret}
        return {"username": "demo001", "user_secret": self.secret}

    def settings(self, **changed: Any) -> EmarsysSettings:
        base = self.sandbox.url_of("emarsys")
        addresses = {"base_url": base, "token_url": f"{base}/oauth2/token"}
        patience = {"first_wait_seconds": 0, "tries": 4}
        given = {**self.credentials, **addresses, **patience, **changed}
        return EmarsysSettings.model_validate(given)

    def service(self, settings: dict[str, Any] | None = None, *, skew: float = 0.0, **options: Any) -> ContactList:
        """`skew` seconds is how much our clock goes ahead of Emarsys'."""
        return ContactList(
            Connection(
                settings=self.settings(**(settings or {})),
                options=ContactListOptions.model_validate({"email_case": self.email_case, **options}),
                resubscribe="never",
                import_history=False,
                default_region=None,
                limiter=self.limiter,
                now=lambda: datetime.fromtimestamp(self.clock.now() + skew, UTC),
            )
        )

    def know(self, *emails: str) -> None:
        self.account.add_contacts({"email": email} for email in emails)

    def make_list(self, name: str = LIST_NAME) -> ListRef:
        return ListRef(str(self.account.create_list(name).id), name)

    def listed(self, target: ListRef) -> list[str | None]:
        """Addresses in the list, as Emarsys writes them."""
        return [contact.email for contact in self.account.members(int(target.id))]

    def calls(self, endpoint: str) -> list[Any]:
        """Bodies of the calls of an endpoint so far, oldest first; None for calls without JSON."""
        entries = [entry for entry in self.sandbox.requests if entry.endpoint == endpoint]
        bodies = [entry.body or b"" for entry in entries]
        return [orjson.loads(body) if body[:1] == b"{" else None for body in bodies]


@contextmanager
def emarsys_world(**switches: Any) -> Iterator[EmarsysWorld]:
    """A fresh account. Secrets differ, because a process shares tokens by credentials."""
    clock, secret = VirtualClock(), f"secret-{next(_numbers)}"
    vendor = EmarsysSandbox(switches=EmarsysSwitches(**switches))
    with Sandbox([vendor], clock=clock) as sandbox:
        account = vendor.account("demo", client=("client", secret), user=("demo001", secret))
        limiter = SlidingLimiter(MemorySlotLog(clock.now), "demo", sleep=lambda seconds: _pass(clock, seconds))
        yield EmarsysWorld(sandbox, account, clock, limiter, secret)


def _pass(clock: VirtualClock, seconds: float) -> None:
    clock.advance(seconds)


@pytest.fixture
def emarsys() -> Iterator[EmarsysWorld]:
    with emarsys_world() as world:
        yield world


def reader(email: str, **values: Any) -> Member:
    """A member of the audience; `email` as the warehouse spells it."""
    return Member(email.strip().lower(), {"email": email, **values})


def outcomes(report: Report) -> dict[str, str]:
    """Status by identifier, with the reasons of a rejection."""
    return {
        each.identifier: ": ".join([each.status.value, *(issue.reason for issue in each.issues)])
        for each in report.outcomes
    }

"""A Dotdigital account to sync with: the sandbox on a clock that tests move, and services connected to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from audience_assets.destinations.base import Connection, Issue, ListRef, Member, Report, Status
from audience_assets.destinations.dotdigital.contact_list import ContactList
from audience_assets.destinations.dotdigital.settings import ContactListOptions, DotdigitalSettings
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.dotdigital import DotdigitalAccount, DotdigitalSandbox, DotdigitalSwitches

USER, PASSWORD = "apiuser-0123456789ab@apiconnector.com", "correct horse 7"
LIST_NAME = "Spring readers"


@dataclass
class DotdigitalWorld:
    """One account. `limiter` waits by moving the clock, so nothing sleeps."""

    sandbox: Sandbox
    account: DotdigitalAccount
    clock: VirtualClock
    limiter: SlidingLimiter

    @property
    def vendor(self) -> DotdigitalSandbox:
        found: DotdigitalSandbox = self.sandbox.dotdigital
        return found

    @property
    def switches(self) -> DotdigitalSwitches:
        return self.account.switches

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def service(
        self, *, default_region: str | None = None, settings: dict[str, Any] | None = None, **options: Any
    ) -> ContactList:
        given = {
            "api_user": USER,
            "password": PASSWORD,
            "base_url": self.sandbox.url,
            "first_wait_seconds": 0,
            "first_poll_seconds": 0,
            "tries": 4,
            **(settings or {}),
        }
        return ContactList(
            Connection(
                settings=DotdigitalSettings.model_validate(given),
                options=ContactListOptions.model_validate(options),
                resubscribe="if_newer_consent",
                import_history=False,
                default_region=default_region,
                limiter=self.limiter,
                now=lambda: self.now,
            )
        )

    def make_list(self, name: str = LIST_NAME) -> ListRef:
        made = self.account.create_list(name)
        return ListRef(str(made.id), name)

    def emails(self, target: ListRef) -> set[str | None]:
        """Who is in the list, once everything accepted has taken effect."""
        self.account.finish_jobs()
        return {contact.email for contact in self.account.members(target.id)}

    def numbers(self, target: ListRef) -> set[str | None]:
        self.account.finish_jobs()
        return {contact.mobile for contact in self.account.members(target.id)}

    def status(self, address: str) -> str | None:
        self.account.finish_jobs()
        found = self.account.find(address)
        return found.email_status if found else None

    def calls(self, endpoint: str) -> list[Any]:
        """Bodies of the calls of an endpoint so far, oldest first; None for calls without one."""
        return [
            orjson.loads(entry.body) if entry.body else None
            for entry in self.sandbox.requests
            if entry.endpoint == endpoint
        ]

    def writes(self) -> int:
        return sum(entry.method != "GET" for entry in self.sandbox.requests)


def _pass(clock: VirtualClock, seconds: float) -> None:
    clock.advance(seconds)


@pytest.fixture
def dotdigital() -> Iterator[DotdigitalWorld]:
    clock = VirtualClock()
    vendor = DotdigitalSandbox()
    with Sandbox([vendor], clock=clock) as sandbox:
        account = vendor.account("demo", user=USER, password=PASSWORD)
        limiter = SlidingLimiter(MemorySlotLog(clock.now), "demo", sleep=lambda seconds: _pass(clock, seconds))
        yield DotdigitalWorld(sandbox, account, clock, limiter)


def by_email(email: str, vendor_id: str | int | None = None) -> Member:
    """A member known by e-mail."""
    return Member(email.strip().lower(), {"email": email}, None if vendor_id is None else str(vendor_id))


def by_phone(phone: str, vendor_id: str | int | None = None) -> Member:
    return Member(phone, {"phone": phone}, None if vendor_id is None else str(vendor_id))


def by_id(contact_id: str | int) -> Member:
    return Member(str(contact_id), {"contact_id": contact_id})


def statuses(report: Report) -> dict[str, Status]:
    return {outcome.identifier: outcome.status for outcome in report.outcomes}


def issues(report: Report) -> dict[str, list[Issue]]:
    return {outcome.identifier: outcome.issues for outcome in report.outcomes if outcome.issues}


def reasons(report: Report) -> dict[str, list[str]]:
    return {identifier: [issue.reason for issue in found] for identifier, found in issues(report).items()}


def vendor_ids(report: Report) -> dict[str, str | None]:
    return {outcome.identifier: outcome.vendor_id for outcome in report.outcomes}


def flip(switches: DotdigitalSwitches) -> None:
    """Every choice the other way than what is documented or most probable."""
    switches.unfinished_polls = 3
    switches.removal_keys_in_pascal = switches.failure_codes_in_pascal = True
    switches.add_lifts_list_opt_out = switches.refuse_unknown_removals = True
    switches.removal_forgets_opt_out = switches.list_filter_shows_suppressed = False
    switches.import_touches_unchanged = switches.import_reports_unchanged = False
    switches.take_plus_in_numbers = True
    switches.names_fold_case = switches.reset_is_a_moment = False
    switches.created_status = 200

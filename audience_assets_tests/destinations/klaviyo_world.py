"""A Klaviyo account to sync with: the sandbox on a clock that tests move, and services connected to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from audience_assets.destinations.base import Connection, Evidence, Issue, ListRef, Mapped, Member, Report, Status
from audience_assets.destinations.klaviyo.audience_list import AudienceList
from audience_assets.destinations.klaviyo.settings import (
    AudienceListOptions,
    KlaviyoSettings,
    SubscriptionListOptions,
)
from audience_assets.destinations.klaviyo.subscription_list import SubscriptionList
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox, KlaviyoSwitches

KEY = "pk_test_0123456789abcdef"
LIST_NAME = "DinMo Subscription List"


@dataclass
class KlaviyoWorld:
    """One account. `limiter` waits by moving the clock, so nothing sleeps."""

    sandbox: Sandbox
    account: KlaviyoAccount
    clock: VirtualClock
    limiter: SlidingLimiter

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def service(
        self,
        *,
        channels: tuple[str, ...] = ("email",),
        resubscribe: str = "if_newer_consent",
        import_history: bool = False,
        default_region: str | None = None,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> SubscriptionList:
        return SubscriptionList(
            Connection(
                settings=self._settings(settings or {}),
                options=SubscriptionListOptions.model_validate({"channels": channels, **options}),
                resubscribe=resubscribe,
                import_history=import_history,
                default_region=default_region,
                limiter=self.limiter,
                now=lambda: self.now,
            )
        )

    def audience_list(
        self,
        *,
        identifiers: Collection[str] = ("email",),
        fields: Mapping[str, str] | None = None,
        default_region: str | None = None,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> AudienceList:
        """`fields` are mapped attributes with the types of their fields."""
        return AudienceList(
            Connection(
                settings=self._settings(settings or {}),
                options=AudienceListOptions.model_validate(options),
                resubscribe="if_newer_consent",
                import_history=False,
                default_region=default_region,
                limiter=self.limiter,
                now=lambda: self.now,
                mapped=Mapped(dict.fromkeys(identifiers, "text"), fields or {}),
            )
        )

    def _settings(self, given: dict[str, Any]) -> KlaviyoSettings:
        at_once = {"first_wait_seconds": 0, "settle_seconds": 0, "import_poll_seconds": 0, "tries": 4}
        return KlaviyoSettings.model_validate({"api_key": KEY, "base_url": self.sandbox.url, **at_once, **given})

    def make_list(self, opt_in_process: str = "single_opt_in", name: str = LIST_NAME) -> ListRef:
        made = self.account.create_list(name, opt_in_process)
        return ListRef(made.id, name)

    def seed(self, *rows: dict[str, Any]) -> None:
        assert self.account.add_profiles(rows) == len(rows)

    def emails(self, target: ListRef) -> set[str | None]:
        """Who is in the list, once everything accepted has taken effect."""
        self.account.finish_jobs()
        return {profile.email for profile in self.account.members(target.id)}

    def status(self, address: str, channel: str = "email") -> str | None:
        self.account.finish_jobs()
        consent = self.account.consent(address, channel)
        return consent.status if consent else None

    def calls(self, endpoint: str) -> list[dict[str, Any]]:
        """Bodies of the calls of an endpoint so far, oldest first; {} for calls without one."""
        return [
            orjson.loads(entry.body) if entry.body else {}
            for entry in self.sandbox.requests
            if entry.endpoint == endpoint
        ]

    def writes(self) -> int:
        return sum(entry.method != "GET" for entry in self.sandbox.requests)

    def ago(self, **span: float) -> datetime:
        return self.now - timedelta(**span)


def _pass(clock: VirtualClock, seconds: float) -> None:
    clock.advance(seconds)


@pytest.fixture
def klaviyo() -> Iterator[KlaviyoWorld]:
    clock = VirtualClock()
    vendor = KlaviyoSandbox(switches=KlaviyoSwitches(consent_delay=0.0, job_queued=0.0, job_processing=0.0))
    with Sandbox([vendor], clock=clock) as sandbox:
        account = vendor.account("demo", key=KEY)
        limiter = SlidingLimiter(MemorySlotLog(clock.now), "demo", sleep=lambda seconds: _pass(clock, seconds))
        yield KlaviyoWorld(sandbox, account, clock, limiter)


def email_member(email: str, evidence: Evidence | None = None, **values: Any) -> Member:
    """A member known by e-mail; other values by vendor attribute name."""
    known = {"email": evidence} if evidence else {}
    return Member(email.strip().lower(), {"email": email, **values}, evidence=known)


def statuses(report: Report) -> dict[str, Status]:
    return {outcome.identifier: outcome.status for outcome in report.outcomes}


def issues(report: Report) -> dict[str, list[Issue]]:
    return {outcome.identifier: outcome.issues for outcome in report.outcomes if outcome.issues}


def flip(switches: KlaviyoSwitches) -> None:
    """The other position of everything that Klaviyo does not document, and effects that take their time."""
    switches.consent_delay = switches.sftp_ingest_delay = 2.0
    switches.emails_fold_case = switches.refuse_unknown_parameters = False
    switches.any_limit, switches.max_url_bytes = 100, 6000
    switches.unknown_member_status = 0
    switches.refuse_unknown_subscriber_id = switches.refuse_dropped_phone_with_sms = False
    switches.pending_creates_profile = True
    switches.subscribed_must_confirm = False
    switches.import_conflict_fails = switches.import_errors_hold_rows = False
    switches.import_null_clears = switches.import_errors_point = True
    switches.sftp_takes_any_name = switches.sftp_takes_halves = True
    switches.sftp_clears_away = switches.sftp_empty_clears = True

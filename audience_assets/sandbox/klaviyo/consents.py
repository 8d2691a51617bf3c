"""What one profile agreed to, per channel, and why it may not receive mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

SUBSCRIBED = "SUBSCRIBED"
UNSUBSCRIBED = "UNSUBSCRIBED"
NEVER_SUBSCRIBED = "NEVER_SUBSCRIBED"

# Suppressions that a new subscription lifts; bounces and invalid addresses stay.
LIFTED_BY_SUBSCRIBE = frozenset({"UNSUBSCRIBE", "SPAM_COMPLAINT", "SPAM_REPORT", "USER_SUPPRESSED"})

EMAIL = "email.marketing"
SMS = "sms.marketing"


@dataclass(slots=True)
class Consent:
    """The state of one channel. Times are seconds since 1970; None where Klaviyo shows null."""

    status: str
    consented_at: float | None
    updated_at: float | None
    method: str | None = "API"
    custom_detail: str | None = None
    double_optin: bool | None = False


@dataclass(slots=True)
class Suppression:
    """Why e-mail is withheld; `list_id` is None for a global suppression."""

    reason: str
    at: float
    list_id: str | None = None


@dataclass(slots=True)
class Permissions:
    """Everything about consent of one profile, made when first needed. Channels are named "sms.marketing" etc."""

    consents: dict[str, Consent] = field(default_factory=dict)
    suppressions: list[Suppression] = field(default_factory=list)
    push_tokens: list[str] = field(default_factory=list)

    def status(self, channel: str) -> str:
        consent = self.consents.get(channel)
        return consent.status if consent else NEVER_SUBSCRIBED

    def suppress(self, reason: str, at: float, list_id: str | None = None) -> bool:
        """Add a suppression; False if there was one for that reason."""
        if any(s.reason == reason and s.list_id == list_id for s in self.suppressions):
            return False
        self.suppressions.append(Suppression(reason, at, list_id))
        return True

    def lift(self, reasons: frozenset[str], list_id: str | None = None) -> bool:
        """Remove global suppressions with those reasons, and those of one list; False if there was none."""
        kept = [s for s in self.suppressions if s.reason not in reasons or s.list_id not in (None, list_id)]
        lifted = len(kept) < len(self.suppressions)
        self.suppressions = kept
        return lifted


class ConsentState(NamedTuple):
    """A channel's consent as tests read it. Times are seconds since 1970."""

    status: str
    consented_at: float | None
    updated_at: float | None
    custom_detail: str | None
    double_optin: bool | None
    suppressions: tuple[str, ...]
    list_suppressions: tuple[tuple[str, str], ...]  # (list id, reason)


class ConsentChange(NamedTuple):
    """One line of the audit: a consent was written, whether or not that changed it.

    `at` is when it took effect, `requested_at` when it was asked for, `consented_at` the consent date it
    carries. `origin` is "subscribe", "unsubscribe", "confirmation", "person" or "seed". `escalated` marks an
    unsubscribe that named a list the person was not in, and so counted for the whole account.
    """

    at: float
    requested_at: float
    profile_id: str
    email: str | None
    phone: str | None
    channel: str
    before: str
    after: str
    consented_at: float | None
    origin: str
    list_id: str | None = None
    request_id: str | None = None
    escalated: bool = False

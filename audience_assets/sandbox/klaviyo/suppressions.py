"""What suppression jobs do: withhold e-mail by hand, and give it back. Consent and lists stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from audience_assets.sandbox.klaviyo.jobs import Job
from audience_assets.sandbox.klaviyo.profiles import Profile

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount

BY_HAND = "USER_SUPPRESSED"


def suppress(account: KlaviyoAccount, job: Job, emails: Sequence[str], members: Sequence[int], at: float) -> None:
    """Suppress addresses, making profiles of unknown ones, and members; who was suppressed already is skipped."""
    for email in emails:
        profile = account.profiles.find("email", email)
        if profile is None:
            profile = account.profiles.create(at)
            account.profiles.identify(profile, "email", email)
        _count(job, profile.ensure_permissions().suppress(BY_HAND, at))
    for number in members:
        profile = account.profiles.by_number(number)
        _count(job, profile is not None and profile.ensure_permissions().suppress(BY_HAND, at))


def unsuppress(account: KlaviyoAccount, job: Job, emails: Sequence[str], members: Sequence[int]) -> None:
    """Undo suppressions by hand, and only those; unknown addresses are skipped."""
    for email in emails:
        _count(job, _lift(account.profiles.find("email", email)))
    for number in members:
        _count(job, _lift(account.profiles.by_number(number)))


def _lift(profile: Profile | None) -> bool:
    return profile is not None and profile.permissions is not None and profile.permissions.lift(frozenset({BY_HAND}))


def _count(job: Job, done: bool) -> None:
    job.completed += done
    job.skipped += not done

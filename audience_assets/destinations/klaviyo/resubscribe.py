"""Whether a person may be subscribed on a channel: never against an opt-out we can't prove to be outdated."""

from __future__ import annotations

from datetime import datetime, timedelta

from audience_assets.destinations.base import Evidence, Issue, Recheck
from audience_assets.destinations.klaviyo.profiles import ChannelConsent, OptOut

# Our own unsubscribe calls take effect at Klaviyo some seconds to minutes after the answer (the bound is not
# documented), so an opt-out recorded this soon after ours is ours.
OWN_OPT_OUT_SPAN = timedelta(minutes=15)


def objection(
    held: ChannelConsent, evidence: Evidence, *, policy: str, channel: str, address: str, now: datetime
) -> Issue | None:
    """Why not to subscribe `address`, or None. `policy` is the activation's `resubscribe`."""
    if evidence.status == "opted_out":
        return Issue("history_opt_out", "the consent history says opted out", channel)
    if policy == "always":
        return None
    if policy == "never":
        standing = held.opt_outs
    else:
        own = own_opt_out_of(evidence, address)
        standing = [opt_out for opt_out in held.opt_outs if not _outdated(opt_out, evidence, own, now)]
    if standing:
        # A consent dated in the future proves nothing yet.
        recheck = Recheck.NEXT_SYNC if evidence.at is not None and evidence.at > now else Recheck.WHEN_CHANGED
        return Issue("vendor_opt_out", "opted out at Klaviyo", channel, recheck)
    return None


def _outdated(opt_out: OptOut, evidence: Evidence, own_opt_out_at: datetime | None, now: datetime) -> bool:
    if opt_out.at is None:
        return False
    if is_own(opt_out, own_opt_out_at):
        return True
    return evidence.status == "opted_in" and evidence.at is not None and opt_out.at < evidence.at <= now


def own_opt_out_of(evidence: Evidence, address: str) -> datetime | None:
    """When we opted out this very address; an opt-out of the number that a member had before says nothing of it."""
    return evidence.own_opt_out_at if evidence.own_opt_out_address in (None, address) else None


def is_own(opt_out: OptOut, own_opt_out_at: datetime | None) -> bool:
    """Whether an opt-out at Klaviyo is the one that we wrote, and nothing the person said since."""
    if opt_out.at is None or own_opt_out_at is None or not opt_out.may_be_ours:
        return False
    return opt_out.at <= own_opt_out_at + OWN_OPT_OUT_SPAN


def consent_time_fault(evidence: Evidence, *, channel: str, now: datetime) -> Issue | None:
    """Why a consent can't be imported with its time, or None. Klaviyo takes past times only."""
    if evidence.at is None:
        return Issue("consent_at_missing", "there is no consent time to import", channel)
    if evidence.at > now:
        return Issue("consent_at_in_future", "the consent time is in the future", channel, Recheck.NEXT_SYNC)
    return None

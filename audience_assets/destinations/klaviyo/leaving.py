"""Leaving a subscription list: one unsubscribe call that names the list, for those who are in it at that moment.

The call is dangerous for anybody else: it unsubscribes who is not in the list from everything, and creates who is
unknown. So membership is read right before, and again before a repeat.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audience_assets.destinations.base import (
    BadRow,
    ConsentWrite,
    DestinationError,
    Evidence,
    Issue,
    ListRef,
    Member,
    Outcome,
    Report,
    Status,
    Throttled,
    Unavailable,
)
from audience_assets.destinations.http import Answer
from audience_assets.destinations.identifiers import normal_email, normal_phone
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.endpoints import CAPS
from audience_assets.destinations.klaviyo.errors import REQUEST_ID
from audience_assets.destinations.klaviyo.people import IDENTIFIER_FIELDS, read_addresses
from audience_assets.destinations.klaviyo.profiles import Profile, read_profile
from audience_assets.destinations.klaviyo.resubscribe import is_own, own_opt_out_of
from audience_assets.destinations.klaviyo.unsettled import LEAVING, Claims, still_at_work
from audience_assets.destinations.rows import deliver_rows

# How often a call whose answer was lost is tried. The next sync goes on from there.
ROUNDS = 3


@dataclass(slots=True)
class Leaver:
    """One profile in the list, the members it stands for and the addresses to opt out by channel."""

    profile: Profile
    identifiers: list[str] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    # Channel -> when we opted the person out before, for another list.
    own_opt_outs: dict[str, datetime] = field(default_factory=dict)

    def opts_out_by_us(self, channel: str) -> bool:
        """Whether the opt-out about to be written is ours: nobody but us has opted the person out already."""
        own = self.own_opt_outs.get(channel)
        return all(is_own(opt_out, own) for opt_out in self.profile.consents[channel].opt_outs)


@dataclass(frozen=True)
class Leaving:
    """Unsubscribes members from the list and its channels."""

    client: KlaviyoClient
    target: ListRef
    channels: Sequence[str]
    default_region: str | None
    settle_seconds: float
    claims: Claims
    now: Callable[[], datetime]

    def deliver(self, members: Sequence[Member]) -> Report:
        """Members who are not in the list (any more) are accepted; nothing is sent for them.

        Unless we have subscribed them so lately that they may not be in it yet: these are asked for again. So are those
        whom an opt-out may be about to take out: a second one would then be one from everything.
        """
        before = self.client.calls
        outcomes = {member.identifier: Outcome(member.identifier) for member in members}
        for start in range(0, len(members), CAPS.unsubscribe):
            self._leave(members[start : start + CAPS.unsubscribe], outcomes)
        return Report(list(outcomes.values()), self.client.calls - before)

    def _leave(self, members: Sequence[Member], outcomes: dict[str, Outcome]) -> None:
        found, unsure = self.find_leavers(members)
        for identifier, profile_id in unsure.items():
            # The next plan knows whether somebody who stays is this contact as well.
            outcomes[identifier].status, outcomes[identifier].vendor_id = Status.RETRY, profile_id
        pending = self._claimed(found, members, outcomes)
        for attempt in range(ROUNDS):
            pending, error = self._send(pending, outcomes)
            if not pending:
                return
            if isinstance(error, Throttled) or attempt + 1 == ROUNDS:
                break
            # The call may have been taken and be at work still: read too soon, they would look like members.
            time.sleep(self.settle_seconds)
            try:
                pending = self._still_there(pending, members, outcomes)
            except (Throttled, Unavailable):
                break
        for leaver in pending:
            if not isinstance(error, Throttled):
                _note(leaver, None, outcomes, certain=False)
            for identifier in leaver.identifiers:
                outcomes[identifier].status = Status.RETRY

    def _claimed(
        self, found: Sequence[Leaver], members: Sequence[Member], outcomes: dict[str, Outcome]
    ) -> list[Leaver]:
        """Who may leave now. Whoever must wait for something to take effect is decided by a later sync."""
        seen = {identifier for leaver in found for identifier in leaver.identifiers}
        # Not in the list yet by our opt-in, or not out of it yet by an opt-out whose answer we never had.
        unsettled = {
            member.identifier
            for member in members
            if self._at_work(member, "opted_out" if member.identifier in seen else "opted_in")
        }
        leaving = [
            leaver
            for leaver in found
            if unsettled.isdisjoint(leaver.identifiers) and self.claims.take(leaver.profile.id, LEAVING)
        ]
        for identifier in unsettled:
            outcomes[identifier].status = Status.RETRY
        for leaver in found:
            if leaver not in leaving:
                for identifier in leaver.identifiers:
                    outcomes[identifier].status, outcomes[identifier].vendor_id = Status.RETRY, leaver.profile.id
        return leaving

    def _at_work(self, member: Member, written: str) -> bool:
        return any(
            evidence.status == written and still_at_work(evidence.at, self.now())
            for evidence in member.evidence.values()
        )

    def find_leavers(self, members: Sequence[Member]) -> tuple[list[Leaver], dict[str, str]]:
        """The profiles in the list that have a member's address on one of the channels.

        And, by the member's identifier, those that have their number and may be somebody else's.
        """
        found: dict[str, Leaver] = {}
        unsure: dict[str, str] = {}
        wanted = [(member, self._addresses(member)) for member in members]
        for channel in IDENTIFIER_FIELDS:
            present = self.present(channel, [all_[channel] for _, all_ in wanted if channel in all_])
            for member, addresses in wanted:
                address = addresses.get(channel)
                profile = present.get(address) if address else None
                if profile is None or address is None:
                    continue
                if not _is_theirs(profile, member):
                    # Found by number: with two e-mail addresses that differ it is somebody else for sure.
                    if profile.email is None or _email(member) is None:
                        unsure[member.identifier] = profile.id
                    continue
                leaver = found.setdefault(profile.id, Leaver(profile))
                leaver.addresses[channel] = address
                own = own_opt_out_of(member.evidence.get(channel, Evidence()), address)
                if own is not None:
                    leaver.own_opt_outs[channel] = own
                if member.identifier not in leaver.identifiers:
                    leaver.identifiers.append(member.identifier)
        return list(found.values()), unsure

    def _addresses(self, member: Member) -> dict[str, str]:
        """Channel -> address to opt out. One that was added for a channel given up since is known by its identifier."""
        read = read_addresses(member.previous or member.values, self.default_region, self.channels)
        found = {name: a for name in self.channels if isinstance(a := read[name], str)}
        if not found:
            by_name = {"email": normal_email(member.identifier), "sms": normal_phone(member.identifier)}
            found = {channel: a for channel, a in by_name.items() if isinstance(a, str)}
        return found

    def present(self, channel: str, addresses: Sequence[str]) -> dict[str, Profile]:
        """Address -> profile, for those in the list now."""
        found = {}
        for resource in self.client.list_profiles(self.target.id, IDENTIFIER_FIELDS[channel], sorted(set(addresses))):
            profile = read_profile(resource, self.target.id)
            address = profile.address(channel)
            if address:
                found[address] = profile
        return found

    def _send(
        self, leavers: Sequence[Leaver], outcomes: dict[str, Outcome]
    ) -> tuple[list[Leaver], DestinationError | None]:
        """Unsubscribe; returns who is left undecided by an outage, and the outage."""
        undecided: list[Leaver] = []
        outage: DestinationError | None = None
        without_sms: list[Leaver] = []
        for result in deliver_rows(leavers, self._unsubscribe, at_most=CAPS.unsubscribe):
            leaver = result.row
            if result.error is not None:
                undecided.append(leaver)
                outage = result.error
            elif result.refusal is not None:
                if _refuse(leaver, result.refusal, outcomes):
                    without_sms.append(leaver)
            elif result.answer is not None:
                _note(leaver, result.answer.headers.get(REQUEST_ID), outcomes)
        if without_sms and outage is None:
            return self._send(without_sms, outcomes)
        return [*undecided, *without_sms], outage

    def _unsubscribe(self, leavers: Sequence[Leaver]) -> Answer:
        return self.client.unsubscribe(self.target.id, [unsubscribe_item(each.addresses) for each in leavers])

    def _still_there(
        self, asked: Sequence[Leaver], members: Sequence[Member], outcomes: dict[str, Outcome]
    ) -> list[Leaver]:
        """Who is in the list all the same. The others left it by the call whose answer was lost."""
        channels = {leaver.profile.id: leaver.addresses for leaver in asked}
        identifiers = {identifier for leaver in asked for identifier in leaver.identifiers}
        now, _ = self.find_leavers([member for member in members if member.identifier in identifiers])
        present = [leaver for leaver in now if leaver.profile.id in channels]
        for leaver in present:
            # A channel that Klaviyo refused before stays out.
            asked_for = channels[leaver.profile.id]
            leaver.addresses = {name: a for name, a in leaver.addresses.items() if name in asked_for}
        ids = {leaver.profile.id for leaver in present}
        for leaver in asked:
            if leaver.profile.id not in ids:
                _note(leaver, None, outcomes)
        return present


def _email(member: Member) -> str | None:
    found = normal_email((member.previous or member.values).get("email") or member.identifier)
    return found if isinstance(found, str) else None


def _is_theirs(profile: Profile, member: Member) -> bool:
    """The contact that we added, or the one with their e-mail address: profiles are merged, and ids vanish."""
    return profile.id == member.vendor_id or (profile.email is not None and profile.email == _email(member))


def unsubscribe_item(addresses: dict[str, str]) -> dict[str, Any]:
    """One row of an unsubscribe call: opt out on every channel in `addresses`."""
    attributes: dict[str, Any] = {IDENTIFIER_FIELDS[channel]: address for channel, address in addresses.items()}
    attributes["subscriptions"] = {channel: {"marketing": {"consent": "UNSUBSCRIBED"}} for channel in addresses}
    return {"type": "profile", "attributes": attributes}


def _refuse(leaver: Leaver, refusal: BadRow, outcomes: dict[str, Outcome]) -> bool:
    """Whether to go on with e-mail alone: a number that Klaviyo does not take must not keep anybody in the list."""
    go_on = len(leaver.addresses) > 1
    channel = "sms" if go_on else next(iter(leaver.addresses))
    del leaver.addresses[channel]
    for identifier in leaver.identifiers:
        outcome = outcomes[identifier]
        outcome.issues.append(Issue(refusal.reason, refusal.detail, channel))
        if not go_on:
            outcome.status = Status.REJECTED
    return go_on


def _note(leaver: Leaver, request_id: str | None, outcomes: dict[str, Outcome], *, certain: bool = True) -> None:
    """One write a channel, on the first member of the profile."""
    outcome = outcomes[leaver.identifiers[0]]
    for channel, address in leaver.addresses.items():
        outcome.consents.append(
            ConsentWrite(
                channel,
                address,
                "unsubscribed",
                "segment_exit",
                request_id=request_id,
                changed=leaver.opts_out_by_us(channel),
                certain=certain,
            )
        )

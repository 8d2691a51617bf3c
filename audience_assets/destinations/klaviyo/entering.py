"""Entering a subscription list: look up, decide from the consent that Klaviyo holds, subscribe.

    lookup by address ─▶ may they be subscribed? ─▶ already subscribed and in the list? ─▶ one request a channel
       unknown: absent       no: an issue                 yes: nothing is sent

Channels go separately, so that a number that Klaviyo can't text does not sink the e-mail half.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from audience_assets.destinations.base import (
    Connection,
    ConsentWrite,
    Evidence,
    ListRef,
    Member,
    Recheck,
    Report,
    Throttled,
    Unavailable,
)
from audience_assets.destinations.http import Answer
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.endpoints import CAPS
from audience_assets.destinations.klaviyo.errors import PROFILE_GONE, REQUEST_ID
from audience_assets.destinations.klaviyo.people import (
    IDENTIFIER_FIELDS,
    Person,
    read_people,
    refuse_unusable,
    report,
)
from audience_assets.destinations.klaviyo.profiles import Profile, alike, read_profile, write_time
from audience_assets.destinations.klaviyo.resubscribe import consent_time_fault, objection, own_opt_out_of
from audience_assets.destinations.klaviyo.unsettled import ENTERING, Claims, still_at_work
from audience_assets.destinations.rows import deliver_rows

_NOTHING_KNOWN = Evidence()


@dataclass(frozen=True)
class Entering:
    """Subscribes members of a batch. Shared by `add` and `update`."""

    client: KlaviyoClient
    connection: Connection
    custom_source: str
    target: ListRef
    claims: Claims

    def deliver(self, members: Sequence[Member], channels: Sequence[str]) -> Report:
        before = self.client.calls
        people = read_people(members, self.connection.default_region, channels)
        self.subscribe(people, channels)
        return report(people, self.client.calls - before)

    def subscribe(self, people: Sequence[Person], channels: Sequence[str]) -> None:
        """Take every person through all steps; what came of it is on the person."""
        self.prepare(people, channels)
        self.send(people, channels)

    def prepare(self, people: Sequence[Person], channels: Sequence[str]) -> None:
        """Everything before the write: nothing is changed at Klaviyo."""
        refuse_unusable(people, channels)
        self._find_profiles(people, channels)
        self._object(people, channels)
        self._postpone(people, channels)
        self._skip_settled(people, channels)

    def send(self, people: Sequence[Person], channels: Sequence[str]) -> None:
        """Subscribe everybody on the channels that are still open for them.

        A call without an answer is not just repeated: the person may have opted out since, and would be opted in again.
        What Klaviyo holds is read anew first.
        """
        waits = self.client.patience.waits()
        open_people = people
        while open_people:
            for channel in channels:
                self._send(channel, [person for person in open_people if person.is_open(channel)])
            open_people = [person for person in people if isinstance(person.undecided, Unavailable)]
            wait = next(waits, None)
            if not open_people or wait is None:
                return
            time.sleep(wait)
            undecided = {person.member.identifier: person.undecided for person in open_people}
            for person in open_people:
                person.undecided = None
            try:
                self.prepare(open_people, channels)
            except (Throttled, Unavailable):
                for person in open_people:
                    person.undecided = undecided[person.member.identifier]
                return

    def _find_profiles(self, people: Sequence[Person], channels: Sequence[str]) -> None:
        by_phone = self.look_up("sms", _usable(people, "sms")) if "sms" in channels else {}
        emails = {
            person.addresses["email"]
            for person in people
            # Without the e-mail channel the address only helps to find owners of numbers Klaviyo does not know.
            if "email" in person.addresses and ("email" in channels or person.addresses.get("sms") not in by_phone)
        }
        by_email = self.look_up("email", emails)
        for person in people:
            found = by_email.get(person.addresses.get("email", ""))
            if "email" in channels and found and "email" not in person.issues:
                person.profiles["email"] = found
            if "sms" in channels and "sms" not in person.issues:
                _find_phone_owner(person, by_phone, found)

    def look_up(self, channel: str, addresses: Iterable[str]) -> dict[str, Profile]:
        """Address -> profile, for those that Klaviyo knows."""
        wanted = sorted(set(addresses))
        found: dict[str, Profile] = {}
        for resource in self.client.profiles(IDENTIFIER_FIELDS[channel], wanted):
            profile = read_profile(resource, self.target.id)
            address = profile.address(channel)
            if address:
                found[address] = alike(found[address], profile) if address in found else profile
        return found

    def _object(self, people: Sequence[Person], channels: Sequence[str]) -> None:
        now, history = self.connection.now(), self.connection.import_history
        for person in people:
            for channel in channels:
                if not person.is_open(channel):
                    continue
                evidence = person.member.evidence.get(channel, _NOTHING_KNOWN)
                held = person.profiles[channel].consents[channel]
                issue = objection(
                    held,
                    evidence,
                    policy=self.connection.resubscribe,
                    channel=channel,
                    address=person.addresses[channel],
                    now=now,
                )
                if issue is None and history:
                    issue = consent_time_fault(evidence, channel=channel, now=now)
                if issue is not None:
                    person.issues[channel] = issue

    def _postpone(self, people: Sequence[Person], channels: Sequence[str]) -> None:
        """What Klaviyo tells of a contact that we have just opted out, or are about to, is of the past."""
        now = self.connection.now()
        for person in people:
            for channel in channels:
                if not person.is_open(channel):
                    continue
                profile = person.profiles[channel]
                evidence = person.member.evidence.get(channel, _NOTHING_KNOWN)
                own = own_opt_out_of(evidence, person.addresses[channel])
                untold = profile.consents[channel].settled and still_at_work(own, now)
                if untold or not self.claims.take(profile.id, ENTERING):
                    person.postponed.add(channel)

    def _skip_settled(self, people: Sequence[Person], channels: Sequence[str]) -> None:
        """Nothing is sent for who is subscribed and in the list: a repeat would rewrite their consent record."""
        for channel in channels:
            settled = {
                person.profiles[channel].id: person
                for person in people
                if person.is_open(channel) and self._as_wanted(person, channel)
            }
            for member_id in self._members_of(channel, settled.values()):
                if member_id in settled:
                    self._accept_as_found(settled[member_id], channel)

    def _as_wanted(self, person: Person, channel: str) -> bool:
        profile = person.profiles[channel]
        return profile.consents[channel].settled and profile.address(channel) == person.addresses[channel]

    def _members_of(self, channel: str, people: Iterable[Person]) -> set[str]:
        addresses = sorted(person.addresses[channel] for person in people)
        found = self.client.list_profiles(self.target.id, IDENTIFIER_FIELDS[channel], addresses)
        return {str(resource["id"]) for resource in found}

    def _accept_as_found(self, person: Person, channel: str) -> None:
        person.accepted.add(channel)
        held = person.profiles[channel].consents[channel]
        if held.source == self.custom_source:
            # Ours, from a sync that ended before it could note it.
            person.consents.append(
                ConsentWrite(
                    channel, person.addresses[channel], "subscribed", self._basis, consented_at=held.at, changed=False
                )
            )

    @property
    def _basis(self) -> str:
        return "consent_history" if self.connection.import_history else "segment_entry"

    def _send(self, channel: str, people: Sequence[Person]) -> None:
        if channel == "sms":
            # Klaviyo may drop a new number and say so for the request only, so these go apart from known ones.
            known = [person for person in people if self._has_phone(person)]
            self._request(channel, known)
            self._request(channel, [person for person in people if not self._has_phone(person)])
        else:
            self._request(channel, people)

    @staticmethod
    def _has_phone(person: Person) -> bool:
        return person.profiles["sms"].phone == person.addresses["sms"]

    def _request(self, channel: str, people: Sequence[Person]) -> None:
        def send(rows: Sequence[Person]) -> Answer:
            return self.client.subscribe(
                self.target.id,
                (self._item(person, channel) for person in rows),
                custom_source=self.custom_source,
                historical=self.connection.import_history,
            )

        dropped: list[Person] = []
        for result in deliver_rows(people, send, at_most=CAPS.subscribe):
            person = result.row
            if result.error is not None:
                person.undecided = result.error
                told = any(write.channel == channel for write in person.consents)
                if not told and not isinstance(result.error, Throttled):
                    person.consents.append(replace(self._written(person, channel, None), certain=False))
            elif result.refusal is not None:
                refusal = result.refusal
                # A merged profile is found by its address next time; all else is for the warehouse to mend.
                recheck = Recheck.NEXT_SYNC if refusal.reason == PROFILE_GONE else Recheck.WHEN_CHANGED
                person.refuse(channel, refusal.reason, refusal.detail, recheck)
            elif result.answer is not None:
                person.accepted.add(channel)
                person.consents.append(self._written(person, channel, result.answer))
                if channel == "sms" and "X-Klaviyo-Partial-Failure" in result.answer.headers:
                    dropped.append(person)
        self._settle_partial_failure(dropped)

    def _item(self, person: Person, channel: str) -> dict[str, Any]:
        consent = {"consent": "SUBSCRIBED"}
        consented_at = self._consented_at(person, channel)
        if consented_at is not None:
            consent["consented_at"] = write_time(consented_at)
        return {
            "type": "profile",
            "id": person.profiles[channel].id,
            "attributes": {
                IDENTIFIER_FIELDS[channel]: person.addresses[channel],
                "subscriptions": {channel: {"marketing": consent}},
            },
        }

    def _consented_at(self, person: Person, channel: str) -> datetime | None:
        if not self.connection.import_history:
            return None
        return person.member.evidence.get(channel, _NOTHING_KNOWN).at

    def _written(self, person: Person, channel: str, answer: Answer | None) -> ConsentWrite:
        return ConsentWrite(
            channel,
            person.addresses[channel],
            "subscribed",
            self._basis,
            consented_at=self._consented_at(person, channel),
            request_id=answer.headers.get(REQUEST_ID) if answer else None,
        )

    def _settle_partial_failure(self, people: Sequence[Person]) -> None:
        """The answer said that some numbers were dropped, not which: whose number Klaviyo does not hold now, was.

        The subscribe call may not be done yet, so a good number can be reported here too. It is not tried again
        until it changes: on a double opt-in list every try is a text message.
        """
        if not people:
            return
        try:
            held = self.look_up("sms", (person.addresses["sms"] for person in people))
        except (Throttled, Unavailable) as error:
            for person in people:
                person.undecided = error
            return
        for person in people:
            if person.addresses["sms"] not in held:
                person.accepted.discard("sms")
                person.consents = [write for write in person.consents if write.channel != "sms"]
                person.refuse("sms", "phone_dropped_by_vendor", "Klaviyo did not take the phone number")


def _usable(people: Iterable[Person], channel: str) -> set[str]:
    return {person.addresses[channel] for person in people if channel in person.addresses}


def _find_phone_owner(person: Person, by_phone: dict[str, Profile], by_email: Profile | None) -> None:
    """The profile that has the number, else the one with the member's e-mail address, which then gets it."""
    owner = by_phone.get(person.addresses.get("sms", ""))
    if owner and by_email and owner.id != by_email.id:
        person.refuse("sms", "phone_on_other_profile", "another Klaviyo profile has this phone number")
        return
    profile = owner or by_email
    if profile is not None:
        person.profiles["sms"] = profile

"""The members of a batch on their way to Klaviyo: addresses, profiles and what came of each channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audience_assets.destinations.base import (
    ConsentWrite,
    DestinationError,
    Issue,
    Member,
    Outcome,
    Recheck,
    Report,
    Status,
)
from audience_assets.destinations.identifiers import Refused, normal_email, normal_phone
from audience_assets.destinations.klaviyo.profiles import Profile

IDENTIFIER_FIELDS = {"email": "email", "sms": "phone_number"}


@dataclass(slots=True)
class Person:
    """One member. `addresses` holds the valid ones by channel, `profiles` the contact that each channel concerns.

    `in_list` says that the member is in the list whatever becomes of the channels.
    """

    member: Member
    addresses: dict[str, str]
    refused: dict[str, Refused]
    profiles: dict[str, Profile] = field(default_factory=dict)
    issues: dict[str, Issue] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    undecided: DestinationError | None = None
    # Channels that can't be decided before something else has taken effect.
    postponed: set[str] = field(default_factory=set)
    in_list: bool = False
    # They are in the list as another contact than they would be now.
    reenters: bool = False
    consents: list[ConsentWrite] = field(default_factory=list)

    def is_open(self, channel: str) -> bool:
        """Whether there is something left to do on the channel."""
        settled = channel in self.issues or channel in self.accepted or channel in self.postponed
        return channel in self.profiles and not settled

    def refuse(self, channel: str, reason: str, detail: str | None, recheck: Recheck = Recheck.WHEN_CHANGED) -> None:
        self.issues[channel] = Issue(reason, detail, channel, recheck)

    def outcome(self) -> Outcome:
        """Accepted if one channel got through; absent only if nothing but absence stood in the way."""
        issues = list(self.issues.values())
        if self.reenters:
            status = Status.REENTERS
        elif self.undecided is not None or self.postponed:
            status = Status.RETRY
        elif self.accepted or self.in_list:
            status = Status.ACCEPTED
        else:
            status = Status.REJECTED if issues else Status.ABSENT
        profile = next(iter(self.profiles.values()), None)
        return Outcome(self.member.identifier, status, profile.id if profile else None, issues, self.consents)


def read_people(members: Sequence[Member], default_region: str | None, channels: Sequence[str]) -> list[Person]:
    """Normalise every member's addresses."""
    people = []
    for member in members:
        found = read_addresses(member.values, default_region, channels)
        valid = {channel: address for channel, address in found.items() if isinstance(address, str)}
        refused = {channel: fault for channel, fault in found.items() if isinstance(fault, Refused)}
        people.append(Person(member, valid, refused))
    return people


def read_addresses(
    values: Mapping[str, Any], default_region: str | None, channels: Sequence[str]
) -> dict[str, str | Refused]:
    """Channel -> address in Klaviyo's spelling, or why there is none.

    The e-mail address is read for every choice of channels: it finds the owner of a number that is new to Klaviyo.
    """
    found = {"email": normal_email(values.get("email"))}
    if "sms" in channels:
        found["sms"] = normal_phone(values.get("phone"), values.get("region") or default_region)
    return found


def refuse_unusable(people: Iterable[Person], channels: Sequence[str]) -> None:
    """Issues for missing and malformed addresses, and for an address that an earlier row of the batch has.

    Twice the same address in one request is undefined at Klaviyo.
    """
    taken: set[tuple[str, str]] = set()
    for person in people:
        for channel in channels:
            fault = person.refused.get(channel)
            if fault is not None:
                person.refuse(channel, fault.reason, fault.detail)
                continue
            key = (channel, person.addresses[channel])
            if key in taken:
                person.refuse(channel, "duplicate_address", "another member of the list has this address")
            taken.add(key)


def report(people: Iterable[Person], calls: int) -> Report:
    return Report([person.outcome() for person in people], calls)

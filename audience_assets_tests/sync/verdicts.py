"""What a list owes its people, judged from the vendor's audit and a plain copy of the warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from audience_assets.sandbox.klaviyo import ConsentChange
from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets_tests.sync.fragile import FragileList
from audience_assets_tests.sync.klaviyo_list import LIST_NAME

CHANNELS = ("email", "sms")
OURS = ("subscribe", "unsubscribe")
# Reasons that have to do with numbers only; whoever has them is judged by e-mail.
ABOUT_NUMBERS = frozenset({"no_phone", "duplicate_address", "phone_on_other_profile"})


@dataclass
class Person:
    """A row of the users table with its consent events (channel, status, at)."""

    raw_email: str | None = None
    phone: str | None = None
    history: list[tuple[str, str, datetime]] = field(default_factory=list)

    @property
    def email(self) -> str | None:
        return (self.raw_email or "").strip().lower() or None

    def address(self, channel: str) -> str | None:
        return self.email if channel == "email" else self.phone

    def identifier(self, channels: tuple[str, ...]) -> str:
        """What the ledger knows the person by; "" without one."""
        return self.email or (self.phone if "sms" in channels else None) or ""


@dataclass
class Verdicts:
    """Checks of one list. `people` is shared with the test that changes it."""

    list: FragileList
    people: Mapping[int, Person]
    _judged: int = 0

    def evidence(self, address: str | None, channel: str) -> tuple[str, datetime] | None:
        """The newest event of anybody with that address, opt-ins to come last; of two at one time the opt-out."""
        now = self.list.clock.moment()
        events = [
            (status == "unsubscribed" or at <= now, at, status)
            for person in self.people.values()
            if address is not None and person.address(channel) == address
            for name, status, at in person.history
            if name == channel
        ]
        if not events:
            return None
        _, at, status = max(events)  # "unsubscribed" sorts after "subscribed"
        return status, at

    def nobody_was_wronged(self) -> None:
        """Every opt-in of ours since the last check had the right to be."""
        audit = self.list.account.audit
        for number in range(self._judged, len(audit)):
            entry = audit[number]
            if entry.origin == "subscribe":
                before = [e for e in audit[:number] if (e.profile_id, e.channel) == (entry.profile_id, entry.channel)]
                channel = _channel(entry)
                evidence = self.evidence(_address(entry), channel)
                assert _entitles(evidence, entry, _standing(before)), (entry, evidence, before)
            assert not entry.escalated, f"unsubscribed from everything: {entry}"
        self._judged = len(audit)

    def list_is_right(self, wanted: Mapping[str, Person], before_us: Sequence[str], ever: set[str]) -> None:
        held = list(self.list.account.members(self.list.account.list_named(LIST_NAME).id)) if self._exists() else []
        emails, phones = {profile.email for profile in held}, {profile.phone_number for profile in held}
        for each in before_us:
            assert each in emails or each in ever, f"{each} was in the list before us"
        for profile in held:
            theirs = [p for p in wanted.values() if profile.email == p.email or self._texts(p, profile.phone_number)]
            excused = profile.email in before_us or self._unanswered(profile)
            assert theirs or excused, f"{profile.email} {profile.phone_number} should have left"
        ledger, rejections = self.list.ledger(), self.list.rows(self.list.runtime.state.rejection)
        for identifier, person in wanted.items():
            if person.email in emails or any(self._texts(person, phone) for phone in phones):
                continue
            reasons = [row for row in rejections if row["identifier"] == identifier]
            status = ledger.get(identifier)
            if status == "absent":
                assert self._unknown(person), f"{identifier} is known to the vendor and was not added"
                continue
            assert status in ("rejected", "unsure") and reasons, f"{identifier} is missing: {status}, {reasons}"
            for row in reasons:
                self._check_reason(identifier, person, row)

    def _unanswered(self, profile: Profile) -> bool:
        """Whether we never heard that our call had taken the contact in by its number, so that it can't be ours."""
        log = self.list.rows(self.list.runtime.state.consent_log)
        answered = {row["request_id"] for row in log if row["request_id"]}
        calls = [e for e in self.list.account.audit if e.profile_id == profile.id and e.origin == "subscribe"]
        return bool(calls) and all(_channel(e) == "sms" and e.request_id not in answered for e in calls)

    def _exists(self) -> bool:
        return any(each.name == LIST_NAME for each in self.list.account.lists)

    def _texts(self, person: Person, phone: str | None) -> bool:
        return "sms" in self.list.channels and phone is not None and person.phone == phone

    def _unknown(self, person: Person) -> bool:
        addresses = [person.email, person.phone if "sms" in self.list.channels else None]
        return not any(address and self.list.account.find(address) for address in addresses)

    def _check_reason(self, identifier: str, person: Person, row: Mapping[str, Any]) -> None:
        """A reason must have been true when it was written, and nothing in the warehouse may have refuted it since."""
        channel, reason = row["channel"], row["reason"]
        evidence, now = self.evidence(person.address(channel), channel), self.list.clock.moment()
        told = f"{identifier} is kept out for {reason} ({channel}); evidence {evidence}"
        if reason == "history_opt_out":
            assert evidence and evidence[0] == "unsubscribed", told
        elif reason == "consent_at_missing":
            assert evidence is None, told
        elif reason == "consent_at_in_future":
            assert evidence and evidence[1] > now, told
        elif reason == "vendor_opt_out":
            self._check_vendor_opt_out(person, row, evidence, told)
        elif reason == "no_email":
            assert person.email is None, told
        else:
            assert channel == "sms" and reason in ABOUT_NUMBERS, told

    def _check_vendor_opt_out(
        self, person: Person, row: Mapping[str, Any], evidence: tuple[str, datetime] | None, told: str
    ) -> None:
        channel, at = row["channel"], row["last_seen"].timestamp()
        address = person.email if channel == "email" else person.phone
        about = [e for e in self.list.account.audit if e.at <= at and _channel(e) == channel]
        # Of texts, also what the contact said under another number, or without one.
        standing = _standing([e for e in about if address in (e.email, e.phone) or person.email == e.email])
        assert standing, f"{told}; there was no opt-out"
        newest = max(e.at for e in standing)
        assert not _proves(evidence, newest, self.list.clock.now()), told
        log = self.list.rows(self.list.runtime.state.consent_log)
        # Our opt-outs are known by the member they were made for. One made for another may count as the person's.
        mine = [each for each in log if each["identifier"] == row["identifier"] and each["status"] == "unsubscribed"]
        ours = [each for each in mine if each["certain"] and each["changed"]]
        known = {each["request_id"] for each in ours if each["request_id"]}
        theirs = [e for e in standing if e.origin != "unsubscribe" or e.request_id not in known]
        assert theirs, f"{told}; the opt-out was our own: {standing}"

    def log_is_complete(self) -> None:
        """Each consent that we wrote has a row of its call or of its time, certain or not.

        One batch opts an old number out and the new one in, and both rows are of the time of its answer.
        """
        log = self.list.rows(self.list.runtime.state.consent_log)
        written = [entry for entry in self.list.account.audit if entry.origin in OURS]
        for entry in written:
            channel, address = _channel(entry), _address(entry)
            later = [e.at for e in written if e.at > entry.at and e.after != entry.after and _same(e, entry)]
            until = datetime.fromtimestamp(min(later), UTC) if later else datetime.max.replace(tzinfo=UTC)
            since = datetime.fromtimestamp(entry.requested_at, UTC)
            rows = [
                row
                for row in log
                if row["channel"] == channel
                and row["status"] == entry.after.lower()
                and (row["request_id"] == entry.request_id or since <= row["logged_at"] <= until)
            ]
            known = [
                row for row in rows if address == row["address"] or row["identifier"] in (entry.email, entry.phone)
            ]
            assert known, f"not in the log: {entry}; the log has {log}"


def _channel(entry: ConsentChange) -> str:
    return entry.channel.partition(".")[0]


def _address(entry: ConsentChange) -> str | None:
    return entry.email if _channel(entry) == "email" else entry.phone


def _same(one: ConsentChange, other: ConsentChange) -> bool:
    return (one.profile_id, one.channel) == (other.profile_id, other.channel)


def _standing(history: Iterable[ConsentChange]) -> list[ConsentChange]:
    """The opt-outs of one channel that nothing has lifted."""
    standing: list[ConsentChange] = []
    for entry in history:
        if entry.after == "SUBSCRIBED":
            standing = []
        elif entry.after == "UNSUBSCRIBED":
            standing.append(entry)
    return standing


def _proves(evidence: tuple[str, datetime] | None, opted_out: float, now: float) -> bool:
    """Whether the warehouse holds an opt-in newer than an opt-out."""
    return evidence is not None and evidence[0] == "subscribed" and opted_out < evidence[1].timestamp() <= now


def _entitles(evidence: tuple[str, datetime] | None, entry: ConsentChange, standing: list[ConsentChange]) -> bool:
    """Whether somebody may be opted in: no newer "no", neither in the warehouse nor from the person at the vendor."""
    if evidence is not None and evidence[0] == "unsubscribed":
        return False
    theirs = [e.at for e in standing if e.origin != "unsubscribe"]
    return not theirs or _proves(evidence, max(theirs), entry.at)

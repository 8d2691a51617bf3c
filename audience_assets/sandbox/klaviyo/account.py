"""One Klaviyo account: its settings, everything in it, and what tests do with it."""

from __future__ import annotations

import random
import string
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audience_assets.sandbox.agenda import Agenda
from audience_assets.sandbox.klaviyo import subscriptions
from audience_assets.sandbox.klaviyo.consents import (
    EMAIL,
    NEVER_SUBSCRIBED,
    SMS,
    UNSUBSCRIBED,
    ConsentChange,
    ConsentState,
)
from audience_assets.sandbox.klaviyo.jobs import Job
from audience_assets.sandbox.klaviyo.lists import SINGLE, KlaviyoList
from audience_assets.sandbox.klaviyo.profiles import Profile, Profiles
from audience_assets.sandbox.klaviyo.seeding import add_profile
from audience_assets.sandbox.klaviyo.sftp_files import Files, IngestResult
from audience_assets.sandbox.klaviyo.switches import KlaviyoSwitches

ALL_SCOPES = frozenset(
    f"{what}:{how}" for what in ("accounts", "lists", "profiles", "subscriptions") for how in ("read", "write")
)
CHANNELS = {"email": EMAIL, "sms": SMS}


@dataclass(slots=True)
class AccountSettings:
    """What an account's owner chooses. `age_gate` is the least age for SMS consent, None without age gating."""

    default_opt_in: str = "double_opt_in"
    global_unsubscribe: bool = True
    sms_regions: frozenset[str] = frozenset({"US", "CA", "GB", "AU"})
    age_gate: int | None = None


@dataclass(slots=True)
class Key:
    """A private key and what it may do."""

    secret: str
    scopes: frozenset[str] = field(default=ALL_SCOPES)


class KlaviyoAccount:
    """State of one account. Every method is safe on several threads; effects that are due are applied first."""

    def __init__(
        self,
        name: str,
        settings: AccountSettings,
        switches: KlaviyoSwitches,
        now: Callable[[], float],
    ) -> None:
        self.name = name
        self.settings = settings
        self.switches = switches
        self.now = now
        self.lock = threading.RLock()
        self.profiles = Profiles()
        self.agenda = Agenda(seed=len(name))
        self.pending: dict[tuple[str, str | None, str], subscriptions.PendingOptIn] = {}
        self.jobs: list[Job] = []
        # Addresses whose import rows fail, with the reason; so do rows with "properties.NAME".
        self.import_failures: dict[str, str] = {}
        self.sftp_files = Files()
        # What became of the files that came by SFTP, in the order they were carried out.
        self.sftp_results: list[IngestResult] = []
        self._random = random.Random(name)  # noqa: S311 - reproducible on purpose
        self.id = self.new_id()
        self._lists: list[KlaviyoList | None] = []
        self._lists_by_id: dict[str, KlaviyoList] = {}
        self._audit: list[ConsentChange] = []

    # What the operations use; they hold the lock.

    def settle(self) -> float:
        """Apply what is due and return the time now."""
        now = self.now()
        self.agenda.settle(now)
        return now

    def new_id(self) -> str:
        """Six letters and digits, as Klaviyo names lists and accounts."""
        return "".join(self._random.choices(string.ascii_letters + string.digits, k=6))

    def add_list(self, name: str, opt_in_process: str | None, now: float) -> KlaviyoList:
        created = KlaviyoList(self.new_id(), name, opt_in_process or self.settings.default_opt_in, now)
        self._lists.append(created)
        self._lists_by_id[created.id] = created
        return created

    def delete_list(self, target: KlaviyoList) -> None:
        """Members stay as profiles, and so does their consent."""
        self._lists[self._lists.index(target)] = None
        del self._lists_by_id[target.id]

    def find_list(self, list_id: str) -> KlaviyoList | None:
        return self._lists_by_id.get(list_id)

    def list_at(self, position: int) -> KlaviyoList | None:
        """By order of creation; None where a list was deleted."""
        return self._lists[position]

    @property
    def list_positions(self) -> range:
        return range(len(self._lists))

    def record(self, change: ConsentChange) -> None:
        self._audit.append(change)

    # What tests and the demo use.

    @property
    def lists(self) -> list[KlaviyoList]:
        """All lists, oldest first."""
        with self.lock:
            self.settle()
            return [each for each in self._lists if each is not None]

    def list_named(self, name: str) -> KlaviyoList:
        """The only list of that name; LookupError otherwise."""
        found = [each for each in self.lists if each.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} lists are called {name!r}")
        return found[0]

    def create_list(self, name: str, opt_in_process: str = SINGLE) -> KlaviyoList:
        with self.lock:
            return self.add_list(name, opt_in_process, self.settle())

    def add_profiles(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Create contacts and return how many.

        A row has any of email, phone_number, external_id; attributes (first_name, properties, ...); and
        "consents", e.g. {"email": "SUBSCRIBED"} or {"email": {"status": ..., "at": datetime, "reason": ...}};
        and "lists", the ids of the lists it is in.
        """
        with self.lock:
            now = self.settle()
            return sum(add_profile(self, row, now) for row in rows)

    @property
    def contacts(self) -> int:
        """How many profiles there are."""
        with self.lock:
            self.settle()
            return len(self.profiles)

    def members(self, list_id: str) -> Iterator[Profile]:
        """Everybody in the list now."""
        with self.lock:
            self.settle()
            numbers = self._lists_by_id[list_id]
            found = [self.profiles.by_number(number) for number in numbers]
        return (profile for profile in found if profile is not None)

    def find(self, address: str) -> Profile | None:
        """By e-mail, phone, external id or profile id."""
        with self.lock:
            self.settle()
            for identifier in ("email", "phone_number", "external_id"):
                profile = self.profiles.find(identifier, address)
                if profile is not None:
                    return profile
            return self.profiles.by_id(address)

    def consent(self, address: str, channel: str = "email") -> ConsentState | None:
        """Consent on "email", "sms" or e.g. "sms.transactional"; None when there is no such profile."""
        with self.lock:
            profile = self.find(address)
            if profile is None:
                return None
            held = profile.permissions
            consent = held.consents.get(CHANNELS.get(channel, channel)) if held else None
            suppressions = held.suppressions if held and channel.startswith("email") else []
            return ConsentState(
                consent.status if consent else NEVER_SUBSCRIBED,
                consent.consented_at if consent else None,
                consent.updated_at if consent else None,
                consent.custom_detail if consent else None,
                consent.double_optin if consent else None,
                tuple(s.reason for s in suppressions if s.list_id is None),
                tuple((s.list_id, s.reason) for s in suppressions if s.list_id is not None),
            )

    @property
    def audit(self) -> list[ConsentChange]:
        """Every consent write so far, in the order of taking effect."""
        with self.lock:
            self.settle()
            return list(self._audit)

    def opt_out(self, address: str, channel: str = "email", at: datetime | None = None) -> None:
        """The person unsubscribes: a link in a mail, STOP by text. LookupError: no such profile."""
        self._person_decides(address, channel, UNSUBSCRIBED, at)

    def opt_in(self, address: str, channel: str = "email", at: datetime | None = None) -> None:
        """The person subscribes at a form, already confirmed. LookupError: no such profile."""
        self._person_decides(address, channel, "SUBSCRIBED", at)

    def _person_decides(self, address: str, channel: str, status: str, at: datetime | None) -> None:
        with self.lock:
            now = self.settle()
            profile = self.find(address)
            if profile is None:
                raise LookupError("no such profile")
            moment = at.timestamp() if at else now
            written = subscriptions.Write(moment, moment, "person")
            subscriptions.write_consent(self, profile, CHANNELS.get(channel, channel), status, written)

    def suppress(self, address: str, reason: str, at: datetime | None = None) -> None:
        """A bounce or complaint arrives: HARD_BOUNCE, INVALID_EMAIL, SPAM_COMPLAINT, ... LookupError as above."""
        with self.lock:
            now = self.settle()
            profile = self.find(address)
            if profile is None:
                raise LookupError("no such profile")
            profile.ensure_permissions().suppress(reason, at.timestamp() if at else now)

    def confirm(self, address: str, list_id: str | None = None) -> int:
        """The person answers the confirmation message sent to this address; how many were open."""
        with self.lock:
            return subscriptions.confirm(self, address, list_id, self.settle())

    def merge(self, address: str, into: str) -> None:
        """Two profiles turn out to be one person: the first one's id vanishes, its memberships move."""
        with self.lock:
            lost, kept = self.find(address), self.find(into)
            if lost is None or kept is None or lost is kept:
                raise LookupError("merging takes two profiles")
            now = self.settle()
            for each in self.lists:
                if each.remove(lost.number):
                    each.add(kept.number, now)
            identifiers = {name: getattr(lost, name) for name in ("email", "phone_number", "external_id")}
            self.profiles.remove(lost)
            for name, value in identifiers.items():
                if getattr(kept, name) is None:
                    self.profiles.identify(kept, name, value)

    def finish_jobs(self) -> None:
        """Apply everything accepted so far at once, whatever time it is due."""
        with self.lock:
            now, last = self.now(), self.agenda.last_due()
            if last is None:
                return
            self.agenda.settle(last)
            for job in self.jobs:
                if now < job.finished <= last:
                    job.started, job.finished = min(job.started, now), now

"""One Dotdigital account: its settings, everything in it, and what tests do with it."""

from __future__ import annotations

import random
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from audience_assets.sandbox.dotdigital import imports
from audience_assets.sandbox.dotdigital.contacts import SUPPRESSED, UNSUBSCRIBED, Contact, Contacts
from audience_assets.sandbox.dotdigital.jobs import IMPORT, REMOVAL, Job
from audience_assets.sandbox.dotdigital.lists import PRIVATE, RESERVED, ContactList
from audience_assets.sandbox.dotdigital.switches import DotdigitalSwitches

FIRST_LIST_ID = 345_579


class ConsentChange(NamedTuple):
    """A channel's status changed. `channel` is email, sms or the name of a list."""

    at: float
    contact_id: int
    channel: str
    before: str | None
    after: str
    origin: str


@dataclass(slots=True)
class AccountSettings:
    """`region` (r1, r2, r3) is where the account lives; None is wherever it is asked. The limits are its allowances."""

    region: str | None = None
    contact_limit: int | None = None
    list_limit: int | None = None


class DotdigitalAccount:
    """State of one account. The methods for tests are safe on several threads; jobs that are due are done first."""

    def __init__(
        self, name: str, settings: AccountSettings, switches: DotdigitalSwitches, now: Callable[[], float]
    ) -> None:
        self.name = name
        self.settings = settings
        self.switches = switches
        self.now = now
        self.lock = threading.RLock()
        self._random = random.Random(name)  # noqa: S311 - reproducible on purpose
        self.id = self._random.randrange(1000, 100_000)
        self.contacts = Contacts()
        self.segments: set[str] = set()
        # Calls of the last hour, for the flat limit and the account's information.
        self.calls: deque[float] = deque()
        # Identifiers whose rows fail in imports, with the failure's code in lower camel case.
        self.import_failures: dict[str, str] = {}
        self.globally_suppressed: set[str] = set()
        self.suppressed_domains: set[str] = set()
        self.watchdog = False
        self.failing_jobs = 0
        self.audit: list[ConsentChange] = []
        self._jobs: dict[str, Job] = {}
        self._lists: dict[int, ContactList] = {}
        self._next_list_id = FIRST_LIST_ID
        for reserved in RESERVED:
            self.add_list(reserved, PRIVATE, system=True)

    # What the operations use; they hold the lock.

    def settle(self) -> float:
        """End the jobs that nobody asked after in time, and return the time now."""
        now = self.now()
        oldest = now - self.switches.job_seconds - self.switches.unasked_seconds
        for job in self.open_jobs():
            if job.accepted < oldest:
                job.end(now)
        return now

    def open_jobs(self, kind: str | None = None) -> list[Job]:
        return [job for job in self._jobs.values() if not job.is_done and kind in (None, job.kind)]

    def start(self, kind: str, rows: int, perform: Callable[[Job, float], str]) -> Job:
        job = Job(str(uuid.UUID(int=self._random.getrandbits(128), version=4)), kind, self.now(), rows, perform)
        self._jobs[job.id] = job
        return job

    def job(self, job_id: str, kind: str) -> Job | None:
        found = self._jobs.get(job_id)
        return found if found is not None and found.kind == kind else None

    def poll(self, job: Job) -> None:
        """Somebody asks after the job, which may end it."""
        job.polls += 1
        now = self.now()
        if job.polls > self.switches.unfinished_polls and now >= job.accepted + self.switches.job_seconds:
            job.end(now)

    def start_import(self, rows: list[Mapping[str, Any]], *, applied: bool) -> Job:
        def perform(job: Job, at: float) -> str:
            return imports.run(self, job, rows if applied else [], at)

        return self.start(IMPORT, len(rows), perform)

    def start_removal(self, target: ContactList, contact_ids: list[int], *, applied: bool) -> Job:
        def perform(_: Job, at: float) -> str:
            if self.failing_jobs:
                self.failing_jobs -= 1
                return "Failed"
            for contact_id in contact_ids if applied else ():
                self.leave(target, contact_id, at)
            return "Completed"

        return self.start(REMOVAL, len(contact_ids), perform)

    def add_list(self, name: str, visibility: str, *, system: bool = False) -> ContactList:
        made = ContactList(self._next_list_id, name, visibility, system=system)
        self._next_list_id += 1
        self._lists[made.id] = made
        return made

    def remove_list(self, target: ContactList) -> None:
        """Its members stay in the account."""
        del self._lists[target.id]

    def find_list(self, list_id: int) -> ContactList | None:
        return self._lists.get(list_id)

    def every_list(self) -> list[ContactList]:
        return list(self._lists.values())

    def is_taken(self, name: str, besides: ContactList | None = None) -> bool:
        """By a list or a segment."""
        fold: Callable[[str], str] = str.casefold if self.switches.names_fold_case else str
        names = {fold(each.name) for each in self._lists.values() if each is not besides}
        return fold(name) in names | {fold(each) for each in self.segments | set(RESERVED)}

    def join(self, target: ContactList, contact: Contact, at: float, origin: str = "import") -> bool:
        """False if the contact was in, or may not come back."""
        before = target.status_of(contact.id)
        joined = target.add(contact.id, lifts_opt_out=self.switches.add_lifts_list_opt_out)
        if joined and before == SUPPRESSED:
            self.audit.append(ConsentChange(at, contact.id, target.name, before, "subscribed", origin))
        return joined

    def leave(self, target: ContactList, contact_id: int, at: float) -> None:
        contact = self.contacts.by_id(contact_id)
        if target.remove(contact_id, forgets_opt_out=self.switches.removal_forgets_opt_out) and contact:
            self.contacts.touch(contact, at)

    def set_status(self, contact: Contact, channel: str, status: str, origin: str, at: float) -> None:
        attribute = f"{channel}_status"
        before = getattr(contact, attribute)
        if before != status:
            setattr(contact, attribute, status)
            self.audit.append(ConsentChange(at, contact.id, channel, before, status, origin))

    # What tests and the demo use.

    @property
    def lists(self) -> list[ContactList]:
        """All lists but Dotdigital's own, oldest first."""
        with self.lock:
            self.settle()
            return [each for each in self._lists.values() if not each.system]

    def list_named(self, name: str) -> ContactList:
        """The list of that name, or LookupError."""
        for each in self.lists:
            if each.name == name:
                return each
        raise LookupError(f"no list is called {name!r}")

    def create_list(self, name: str, visibility: str = PRIVATE) -> ContactList:
        """LookupError if a list or segment is called so."""
        with self.lock:
            if self.is_taken(name):
                raise LookupError(f"the name {name!r} is taken")
            return self.add_list(name, visibility)

    def add_contacts(self, rows: Iterable[Mapping[str, Any]]) -> list[int]:
        """Create contacts and return their ids. Rows without an identifier, or with a taken one, are left out.

        A row has email, mobile or both; email_status, sms_status; and "lists", the ids of the lists it is in.
        """
        with self.lock:
            now, made = self.settle(), []
            for row in rows:
                given = {"email": row.get("email"), "mobileNumber": row.get("mobile")}
                known = {name: value for name, value in given.items() if value}
                if not known or any(self.contacts.find(name, value) for name, value in known.items()):
                    continue
                contact = self.contacts.create(row.get("email"), row.get("mobile"), now)
                contact.email_status = row.get("email_status", contact.email_status)
                contact.sms_status = row.get("sms_status", contact.sms_status)
                for list_id in row.get("lists") or ():
                    self._lists[list_id].add(contact.id, lifts_opt_out=False)
                made.append(contact.id)
            return made

    def find(self, address: str | int) -> Contact | None:
        """By e-mail address, mobile number (with its plus or without) or id."""
        with self.lock:
            self.settle()
            text = str(address)
            found = self.contacts.find("email", text) or self.contacts.find("mobileNumber", text.removeprefix("+"))
            return found or self.contacts.find("contactId", text)

    def members(self, list_id: int | str) -> Iterator[Contact]:
        """Everybody in the list now who did not unsubscribe from it."""
        with self.lock:
            self.settle()
            found = [self.contacts.by_id(contact_id) for contact_id in self._lists[int(list_id)].ids()]
        return (contact for contact in found if contact is not None and not contact.binned)

    def opt_out(self, address: str, channel: str = "email", status: str = UNSUBSCRIBED) -> None:
        """The person unsubscribes from everything, and so from all lists, or is suppressed."""
        with self.lock:
            contact, now = self._known(address), self.settle()
            self.set_status(contact, channel, status, "person", now)
            if status == UNSUBSCRIBED and channel == "email":
                for each in self._lists.values():
                    if each.status_of(contact.id) is not None:
                        each.unsubscribe(contact.id, now, stays=False)
            self.contacts.touch(contact, now)

    def leave_list(self, address: str, list_id: int | str) -> None:
        """The person unsubscribes from this one list."""
        with self.lock:
            contact, now, target = self._known(address), self.settle(), self._lists[int(list_id)]
            target.unsubscribe(contact.id, now)
            self.audit.append(ConsentChange(now, contact.id, target.name, "subscribed", SUPPRESSED, "person"))
            self.contacts.touch(contact, now)

    def come_back(self, address: str, list_id: int | str) -> None:
        """The person subscribes to the list again, on a form."""
        with self.lock:
            contact, now = self._known(address), self.settle()
            self._lists[int(list_id)].add(contact.id, lifts_opt_out=True)
            self.contacts.touch(contact, now)

    def bin_contact(self, address: str) -> None:
        """Somebody deletes the contact: it goes into the recycle bin, out of all lists."""
        with self.lock:
            contact = self._known(address)
            contact.binned = True
            for each in self._lists.values():
                each.remove(contact.id, forgets_opt_out=True)

    def forget_jobs(self) -> None:
        """Reports are not kept for ever; how long is not documented."""
        with self.lock:
            self.finish_jobs()
            self._jobs.clear()

    def finish_jobs(self) -> None:
        """End every job now."""
        with self.lock:
            for job in self.open_jobs():
                job.end(self.now())

    def _known(self, address: str) -> Contact:
        found = self.find(address)
        if found is None:
            raise LookupError("there is no such contact")
        return found

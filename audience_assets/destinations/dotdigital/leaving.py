"""Taking a batch off the list. Contacts stay in the account; nothing here deletes or unsubscribes anybody.

Removal is v2's and goes by contact id alone. Ids are kept from import reports; who lacks one is found in the list, or
one by one where that takes fewer calls. The job reports nothing by row and was seen to do nothing at all (issues of the
vendor's Magento extension), so some of the removed are read back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil

from audience_assets.destinations.base import BadBatch, ListRef, Member, Report, Status, Throttled, Unavailable
from audience_assets.destinations.dotdigital.client import CONTACTS_PAGE, REMOVAL_SIZE, DotdigitalClient
from audience_assets.destinations.dotdigital.errors import ContactMissing
from audience_assets.destinations.dotdigital.identifiers import WIRE_NAMES, Row, key_of, read_key
from audience_assets.destinations.dotdigital.jobs import wait_for
from audience_assets.destinations.dotdigital.optouts import PRESENT, OptOuts, membership
from audience_assets.destinations.dotdigital.settings import DotdigitalSettings
from audience_assets.destinations.identifiers import Refused
from audience_assets.destinations.rows import deliver_rows
from audience_assets.destinations.shapes import whole
from audience_assets.destinations.turns import REMOVING, Turns

_log = logging.getLogger(__name__)

RUNNING = "Started"
COMPLETED = "Completed"
# Read back after a removal: the first and the last of it.
READ_BACK = 2


@dataclass
class Leavers:
    """Contacts that leave the list in this sync. Removals begin before additions do."""

    _ids: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, contact_ids: Iterable[int]) -> None:
        with self._lock:
            self._ids.update(contact_ids)

    def has(self, contact_id: int | None) -> bool:
        return contact_id in self._ids


@dataclass(frozen=True)
class Leaving:
    """Takes members of a batch off one list."""

    client: DotdigitalClient
    settings: DotdigitalSettings
    kind: str
    default_region: str | None
    target: ListRef
    opt_outs: OptOuts
    leavers: Leavers
    turns: Turns

    def deliver(self, members: Sequence[Member]) -> Report:
        before = self.client.calls
        rows = [self._row(member) for member in members]
        known = [row for row in rows if row.contact_id is not None]
        self.leavers.note(row.contact_id for row in known if row.contact_id is not None)
        try:
            self._find([row for row in rows if row.contact_id is None and row.status is None])
            for row in self.opt_outs.among([row for row in rows if row.contact_id is not None]):
                row.settle(Status.ACCEPTED)
        except (Throttled, Unavailable):
            # Nothing was sent; who has no outcome is decided anew.
            return self._report(rows, before)
        self._remove([row for row in rows if row.contact_id is not None and row.status is None])
        return self._report(rows, before)

    def _report(self, rows: Sequence[Row], before: int) -> Report:
        return Report([row.outcome() for row in rows], self.client.calls - before)

    def _row(self, member: Member) -> Row:
        key = read_key(self.kind, member.values, self.default_region)
        if isinstance(key, Refused):
            # It never was sendable, so the list holds nobody of that name, unless the id says so.
            row = Row(member, "", status=None if _number(member.vendor_id) else Status.ACCEPTED)
        else:
            row = Row(member, key)
        row.contact_id = key if isinstance(key, int) else _number(member.vendor_id)
        return row

    def _find(self, rows: Sequence[Row]) -> None:
        """Note contact ids; who is not in the list has left already."""
        if not rows:
            return
        wanted = {row.key: row for row in rows}
        size = whole(self.client.get_list(self.target.id).get("contacts") or 0)
        if len(rows) < ceil(size / CONTACTS_PAGE):
            for row in rows:
                contact = self.client.contact(WIRE_NAMES[self.kind], str(row.key))
                if contact is not None and membership(contact, self.target.id) is not None:
                    row.contact_id = contact["contactId"]
                else:
                    row.settle(Status.ACCEPTED)
        else:
            for page in self.client.contacts(list_id=self.target.id):
                for contact in page:
                    key = key_of(self.kind, contact["contactId"], contact.get("identifiers") or {})
                    if key in wanted:
                        wanted[key].contact_id = contact["contactId"]
            for row in rows:
                if row.contact_id is None:
                    row.settle(Status.ACCEPTED)
        self.leavers.note(row.contact_id for row in rows if row.contact_id is not None)

    def _remove(self, rows: Sequence[Row]) -> None:
        for result in deliver_rows(rows, self._send, at_most=REMOVAL_SIZE):
            left = result.answer is not None and result.row.contact_id not in result.answer
            # A refusal of one alone: Dotdigital does not know the contact, so there is nothing to remove.
            result.row.settle(Status.ACCEPTED if left or result.refusal is not None else Status.RETRY)

    def _send(self, rows: Sequence[Row]) -> frozenset[int]:
        """The contacts that are still in the list, as far as a look at some tells."""
        ids = sorted({row.contact_id for row in rows if row.contact_id is not None})
        sample = {ids[0], ids[-1]}
        # An import that runs at the same time may put one of them, under another spelling, back before the look.
        with self.turns.of(REMOVING):
            self._run(ids)
            seen = frozenset(contact_id for contact_id in sample if self._is_listed(contact_id))
        if seen < sample:
            return seen
        _log.warning("Dotdigital completed a removal, and its people are still in the list; the next sync repeats it.")
        return frozenset(ids)

    def _run(self, ids: Sequence[int]) -> None:
        try:
            job = self.client.remove(self.target.id, ids)
        except ContactMissing as error:
            raise BadBatch(str(error), status=error.status) from None
        status = wait_for(
            lambda: self.client.removal_status(job), lambda found: found == RUNNING, self.settings, "the removal"
        )
        if status != COMPLETED:
            raise Unavailable("Dotdigital's removal failed.")

    def _is_listed(self, contact_id: int) -> bool:
        contact = self.client.contact("contactId", str(contact_id))
        return membership(contact, self.target.id) in PRESENT


def _number(vendor_id: str | None) -> int | None:
    return int(vendor_id) if vendor_id and vendor_id.isdigit() else None

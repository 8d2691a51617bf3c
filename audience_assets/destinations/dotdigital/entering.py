"""Adding a batch: who unsubscribed from the list is left out, the rest is imported, and the report is read row by row.

An import only ever adds to the list. It sends no status, so nobody's consent changes: known contacts keep theirs, and
people Dotdigital does not know are created with the one identifier, as its own rules for new contacts say.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audience_assets.destinations.base import ListRef, Member, Report, Status, Throttled, Unavailable
from audience_assets.destinations.dotdigital.answers import RUNNING, ImportReport, read_report
from audience_assets.destinations.dotdigital.client import DotdigitalClient
from audience_assets.destinations.dotdigital.identifiers import WIRE_NAMES, Row, read_rows
from audience_assets.destinations.dotdigital.jobs import wait_for
from audience_assets.destinations.dotdigital.leaving import Leavers
from audience_assets.destinations.dotdigital.optouts import OptOuts, membership
from audience_assets.destinations.dotdigital.settings import DotdigitalSettings
from audience_assets.destinations.dotdigital.standing import Standing
from audience_assets.destinations.rows import deliver_rows
from audience_assets.destinations.turns import IMPORTING, Turns

# Rows that a report does not name are looked up one by one; of more than so many a sample is.
MOST_LOOKUPS = 50
SAMPLE = 10


@dataclass(frozen=True)
class Entering:
    """Adds members of a batch to one list."""

    client: DotdigitalClient
    settings: DotdigitalSettings
    kind: str
    default_region: str | None
    target: ListRef
    opt_outs: OptOuts
    standing: Standing | None
    leavers: Leavers
    turns: Turns
    slots: threading.Semaphore

    def deliver(self, members: Sequence[Member]) -> Report:
        before = self.client.calls
        rows, refused = read_rows(self.kind, members, self.default_region)
        if rows:
            self._deliver(rows)
        return Report([*refused, *(row.outcome() for row in rows)], self.client.calls - before)

    def _deliver(self, rows: Sequence[Row]) -> None:
        try:
            for row in self.opt_outs.among(rows):
                row.reject("list_opt_out", "the person unsubscribed from this list at Dotdigital")
            if self.standing is not None:
                self.standing.begin()
        except (Throttled, Unavailable):
            return  # nothing was sent; without an outcome a row is decided anew
        self._import([row for row in rows if row.status is None])
        self._look_up([row for row in rows if row.status is None])
        accepted = [row for row in rows if row.status is Status.ACCEPTED]
        for row in accepted:
            if self.leavers.has(row.contact_id):
                # Another spelling of the contact leaves in this sync, and its removal may be tried again after this.
                row.status = Status.RETRY
        if self.standing is not None and accepted:
            self.standing.catch_up()
            for row in accepted:
                issue = self.standing.issue_of(row.contact_id)
                if issue is not None:
                    row.issues.append(issue)

    def _import(self, rows: Sequence[Row]) -> None:
        for result in deliver_rows(rows, self._send, at_most=self.settings.batch_size):
            row = result.row
            if result.refusal is not None:
                row.reject(result.refusal.reason, result.refusal.detail)
            elif result.answer is not None:
                result.answer.settle(row)
            else:
                row.settle(Status.RETRY)

    def _send(self, rows: Sequence[Row]) -> ImportReport:
        with self.turns.of(IMPORTING), self.slots:
            import_id = self.client.import_contacts([self._contact(row) for row in rows])

            def read() -> dict[str, Any]:
                return self.client.import_status(import_id)

            body = wait_for(read, lambda found: found.get("status") == RUNNING, self.settings, "the import")
        return read_report(self.kind, body)

    def _contact(self, row: Row) -> dict[str, Any]:
        name = WIRE_NAMES[self.kind]
        return {"matchIdentifier": name, "identifiers": {name: row.key}, "lists": [int(self.target.id)]}

    def _look_up(self, rows: Sequence[Row]) -> None:
        """Rows that the report did not name: it may leave out whom the import changed nothing of.

        Of many a sample is looked up: as the report names who was refused, the others are in the list if all of these
        are. Without a status rows are decided anew by the next sync.
        """
        are_many = len(rows) > MOST_LOOKUPS
        sample = rows[:: len(rows) // SAMPLE] if are_many else rows
        try:
            for row in sample:
                contact = self.client.contact(WIRE_NAMES[self.kind], str(row.key))
                if contact is not None and membership(contact, self.target.id) is not None:
                    row.contact_id = contact["contactId"]
                    row.settle(Status.ACCEPTED)
        except (Throttled, Unavailable):
            return
        if are_many and all(row.status is Status.ACCEPTED for row in sample):
            for row in rows:
                row.settle(Status.ACCEPTED)

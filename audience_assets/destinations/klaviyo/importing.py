"""Entering the list and keeping attributes: imports, in two steps where people have further identifiers.

    e-mail address and attributes, into the list ─▶ job ─▶ errors ─▶ once more without what was refused
    then phone and external id, into no list     ─▶ job ─▶ errors ─▶ an issue; the member is in the list

In one step a number that another profile has could find that profile, and give it the new address: somebody would be
mailed on somebody else's consent. After the first step the address has a profile of its own, and the number conflicts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from audience_assets.destinations.base import (
    BadBatch,
    BadRow,
    BadRows,
    ListRef,
    Member,
    Report,
    Status,
    Throttled,
    Unavailable,
)
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.endpoints import CAPS
from audience_assets.destinations.klaviyo.import_jobs import FinishedImport, ImportJobs
from audience_assets.destinations.klaviyo.import_rows import WIRE_NAMES, ImportRow, RowReader
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings
from audience_assets.destinations.rows import deliver_rows
from audience_assets.destinations.turns import IMPORTING, Turns

_log = logging.getLogger(__name__)

Sendable = tuple[ImportRow, bytes]
# How often attributes are taken out of a refused row before they all are.
CORRECTIONS = 3
# Room for the document around the profiles.
ENVELOPE_BYTES = 500


@dataclass(frozen=True)
class Importing:
    """Imports members of a batch for one list."""

    client: KlaviyoClient
    settings: KlaviyoSettings
    jobs: ImportJobs
    turns: Turns
    slots: threading.Semaphore
    reader: RowReader
    target: ListRef

    def add(self, members: Sequence[Member]) -> Report:
        return self._deliver(members, self.target.id)

    def update(self, members: Sequence[Member]) -> Report:
        """Names no list: somebody who was taken off it by hand stays off."""
        return self._deliver(members, None)

    def _deliver(self, members: Sequence[Member], list_id: str | None) -> Report:
        """Rows are made once it is the batch's turn: those of all that wait would not fit in memory."""
        with self.turns.of(IMPORTING), self.slots:
            return self._deliver_now(members, list_id)

    def _deliver_now(self, members: Sequence[Member], list_id: str | None) -> Report:
        before = self.client.calls
        rows, refused = self.reader.read(members)
        for row in rows:
            if list_id is None and row.is_idle:
                row.status = Status.ACCEPTED
        sending = [row for row in rows if row.status is None]
        if sending:
            self.jobs.settle()
            self._write(sending, list_id)
        told = [row.outcome() for row in rows if row.status is not Status.ACCEPTED or row.issues]
        return Report([*refused, *told], self.client.calls - before)

    def _write(self, rows: Sequence[ImportRow], list_id: str | None) -> None:
        self._import(rows, list_id)
        self._identify([row for row in rows if row.status is Status.ACCEPTED and row.identifiers])
        if not self._null_clears:
            for row in rows:
                if row.status is Status.ACCEPTED and row.cleared:
                    self._empty(row)
        if list_id is not None:
            self._verify([row for row in rows if row.status is Status.ACCEPTED], list_id)

    @property
    def _null_clears(self) -> bool:
        return self.settings.import_nulls == "clear"

    def _import(self, rows: Sequence[ImportRow], list_id: str | None) -> None:
        """Attributes that are refused do not keep anybody out of the list."""
        open_rows = rows
        for left in reversed(range(CORRECTIONS + 1)):
            again = []
            for row, refusal in self._send(open_rows, list_id, lambda row: row.profile(null_clears=self._null_clears)):
                if refusal is None:
                    row.status = Status.ACCEPTED
                elif left and row.give_up(refusal if left > 1 else BadRow(-1, refusal.reason, refusal.detail)):
                    again.append(row)
                else:
                    row.reject(refusal)
            open_rows = again

    def _identify(self, rows: Sequence[ImportRow]) -> None:
        """Whom an identifier belongs to already keeps it."""
        several: list[ImportRow] = []
        for row, refusal in self._send(rows, None, lambda row: row.identity(*row.identifiers)):
            if refusal is not None and len(row.identifiers) > 1:
                several.append(row)
            elif refusal is not None:
                row.withhold(next(iter(row.identifiers)), refusal.reason, refusal.detail)
        for kind in WIRE_NAMES if several else ():
            for row, refusal in self._send(several, None, partial(_alone, kind)):
                if refusal is not None:
                    row.withhold(kind, refusal.reason, refusal.detail)

    def _empty(self, row: ImportRow) -> None:
        """One call a person: null does not clear Klaviyo's own fields in a bulk import."""
        profile = row.emptied()
        if not profile:
            return
        try:
            self.client.write_profile(profile)
        except (BadBatch, BadRows) as error:
            for name in list(row.cleared):
                row.withhold(name, "not_cleared", f"Klaviyo refused to clear it ({error.status})")
        except (Throttled, Unavailable):
            row.status = Status.RETRY

    def _send(
        self, rows: Sequence[ImportRow], list_id: str | None, written: Callable[[ImportRow], bytes]
    ) -> list[tuple[ImportRow, BadRow | None]]:
        """Every row that was decided, with its refusal if it was refused. The others are marked for another try."""
        decided: list[tuple[ImportRow, BadRow | None]] = []
        is_down = False
        for part in self._parts(rows, written):
            if is_down:
                _undecided(row for row, _ in part)
                continue
            for result in deliver_rows(part, partial(self._job, list_id), at_most=len(part)):
                row, _ = result.row
                if result.error is not None:
                    is_down = True
                    _undecided([row])
                else:
                    decided.append((row, result.refusal or (result.answer or {}).get(row.email)))
        return decided

    def _parts(self, rows: Sequence[ImportRow], written: Callable[[ImportRow], bytes]) -> Iterator[list[Sendable]]:
        """Rows as many as one job takes."""
        part: list[Sendable] = []
        size = ENVELOPE_BYTES
        for row in rows:
            profile = written(row)
            full = len(part) == self.settings.profiles_per_import or size + len(profile) > CAPS.import_bytes
            if part and full:
                yield part
                part, size = [], ENVELOPE_BYTES
            part.append((row, profile))
            size += len(profile) + 1
        if part:
            yield part

    def _job(self, list_id: str | None, part: Sequence[Sendable]) -> Mapping[str, BadRow]:
        """Refusals by address. BadBatch if Klaviyo counts more than it names: the job is halved, and repeated so."""
        finished = self.jobs.run([orjson.Fragment(profile) for _, profile in part], list_id)
        refusals = _refusals(finished, [row for row, _ in part])
        if finished.failed > len(refusals):
            raise BadBatch("Klaviyo counts more failed rows than it names.", status=None)
        return refusals

    def _verify(self, rows: Sequence[ImportRow], list_id: str) -> None:
        """Imports were seen to complete and to leave the list empty: some of the added are looked for in it."""
        sample = [row.email for row in rows[: CAPS.lookup]]
        if not sample:
            return
        try:
            for wait in (self.settings.settle_seconds, None):
                if self.client.ids_in_list(list_id, sample):
                    return
                if wait is not None:
                    time.sleep(wait)
        except (Throttled, Unavailable) as error:
            _log.warning("Whether an import has reached the list could not be read: %s", error)
            return
        _log.warning("Klaviyo completed an import, and its people are not in the list; the next sync repeats it.")
        _undecided(rows)


def _undecided(rows: Iterable[ImportRow]) -> None:
    for row in rows:
        row.status = Status.RETRY


def _alone(kind: str, row: ImportRow) -> bytes:
    return row.identity(kind)


def _refusals(finished: FinishedImport, rows: Sequence[ImportRow]) -> dict[str, BadRow]:
    """Whose row failed, by the address in it; by its place where Klaviyo does not repeat the row."""
    emails = {row.email for row in rows}
    found: dict[str, BadRow] = {}
    for failure in finished.failures:
        email = _email_of(failure.payload)
        if email not in emails and 0 <= failure.refusal.index < len(rows):
            email = rows[failure.refusal.index].email
        if email in emails:
            found.setdefault(str(email), failure.refusal)
    return found


def _email_of(payload: Mapping[str, Any] | None) -> str | None:
    """Whether the payload is the row or its attributes is told by one recording only; both are read."""
    if payload is None:
        return None
    attributes = payload.get("attributes")
    given = attributes if isinstance(attributes, Mapping) else payload
    email = given.get("email")
    return str(email).strip().lower() if email else None

"""Import jobs of one list during one sync: started, watched to their end, and never raced by an earlier one.

Klaviyo answers an import at once and carries it out later. What an earlier sync started and did not see the end of (it
was killed, or the answer was lost) may still land: after a removal it would put people back, after a newer import it
would bring back old values. So before the first write every unfinished import that may concern the list is waited for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audience_assets.destinations.base import BadRow, Unavailable
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.errors import JobMissing, failed_row
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings
from audience_assets.destinations.shapes import whole

_log = logging.getLogger(__name__)

RUNNING = frozenset({"queued", "processing"})
COMPLETE = "complete"
# How often an import whose answer was lost is tried. The next sync goes on from there.
ROUNDS = 3
GROWTH = 1.5


class StillRunning(Unavailable):
    """A job takes longer than the settings' patience: it may land whenever it likes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that a job could not import, with what the row was, if Klaviyo says so."""

    refusal: BadRow
    payload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class FinishedImport:
    """What a job came to. `failed` may count more rows than `failures` name."""

    failed: int
    failures: Sequence[Failure]


class ImportJobs:
    """Safe on many threads, which share what is read: one call tells how a hundred jobs stand."""

    def __init__(self, client: KlaviyoClient, settings: KlaviyoSettings, list_id: str) -> None:
        self._client = client
        self._settings = settings
        self._list_id = list_id
        self._mine: set[str] = set()
        self._newest: dict[str, dict[str, Any]] = {}
        # On the machine's clock: when the reading of `_newest` began.
        self._read_at = float("-inf")
        self._reading = threading.Lock()
        self._settling = threading.Lock()
        self._settled = False
        self._endless: str | None = None

    def settle(self) -> None:
        """Wait, once a sync, for imports that were at work before it. Unavailable if they do not end."""
        with self._settling:
            if self._endless is not None:
                raise StillRunning(self._endless)
            if self._settled:
                return
            try:
                self._wait_for_others()
            except StillRunning as error:
                self._endless = str(error)
                raise
            self._settled = True

    def run(self, profiles: Sequence[Any], list_id: str | None) -> FinishedImport:
        """Import profiles, into the list if one is named. Unavailable if it is not known what became of them."""
        job_id = self._start(profiles, list_id)
        try:
            job = self._wait(job_id)["attributes"]
            failed = whole(job.get("failed_count") or 0)
            failures = [_failure(each) for each in self._client.import_errors(job_id)] if failed else []
        except JobMissing as error:
            raise Unavailable("Klaviyo does not know the import any more.", status=error.status) from None
        if job["status"] != COMPLETE:
            raise Unavailable("Klaviyo did not complete the import.")
        return FinishedImport(failed, failures)

    def _start(self, profiles: Sequence[Any], list_id: str | None) -> str:
        """A lost answer may mean a job at work. It is let finish before the import, which repeats it, is sent again."""
        for _ in range(ROUNDS):
            try:
                started = self._client.start_import(list_id, profiles)
            except Unavailable as error:
                outage = error
                # A call that is still on its way shows up only then.
                time.sleep(self._settings.settle_seconds)
                self._wait_for_others()
            else:
                self._mine.add(str(started["id"]))
                return str(started["id"])
        raise outage

    def _wait_for_others(self) -> None:
        for job in list(self._client.unfinished_import_jobs()):
            job_id = str(job["id"])
            if job_id in self._mine:
                continue
            try:
                if self._may_concern_us(job):
                    _log.info("An import into the list is at work already; it is waited for.")
                    self._wait(job_id)
            except JobMissing:
                continue

    def _may_concern_us(self, job: Mapping[str, Any]) -> bool:
        """Into our list, or into none: that changes attributes only, and perhaps of our members."""
        relation = (job.get("relationships") or {}).get("lists") or {}
        told = relation.get("data")
        lists = self._client.lists_of_import(str(job["id"])) if told is None else [str(each["id"]) for each in told]
        return not lists or self._list_id in lists

    def _wait(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended. StillRunning, JobMissing."""
        give_up_at = time.monotonic() + self._settings.import_patience_seconds
        pause = self._settings.import_poll_seconds
        while True:
            time.sleep(pause)
            job = self._look(job_id, since=time.monotonic() - pause / 2)
            if job["attributes"]["status"] not in RUNNING:
                return job
            if time.monotonic() + pause > give_up_at:
                raise StillRunning(
                    f"A Klaviyo import is still at work after {self._settings.import_patience_seconds:g} s."
                )
            pause = min(pause * GROWTH, self._settings.longest_import_poll_seconds)

    def _look(self, job_id: str, since: float) -> dict[str, Any]:
        """How the job stands, by a reading that began after `since`, whoever made it."""
        with self._reading:
            if self._read_at < since:
                began = time.monotonic()
                self._newest = {str(job["id"]): job for job in self._client.newest_import_jobs()}
                self._read_at = began
            found = self._newest.get(job_id)
        return found if found is not None else self._client.import_job(job_id)


def _failure(resource: dict[str, Any]) -> Failure:
    payload = (resource.get("attributes") or {}).get("original_payload")
    return Failure(failed_row(resource), payload if isinstance(payload, dict) else None)

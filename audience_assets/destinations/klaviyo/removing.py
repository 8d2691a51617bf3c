"""Leaving the list: the list's relationship is deleted, and nobody's consent is touched.

Never the unsubscribe call: it opts out of everything whoever is not in the list. Klaviyo removes by profile id; ids are
read from the list right before, because profiles are merged and ids vanish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audience_assets.destinations.base import (
    BadBatch,
    Issue,
    ListMissing,
    ListRef,
    Member,
    Outcome,
    Recheck,
    Report,
    Status,
)
from audience_assets.destinations.identifiers import Refused, normal_email
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.endpoints import CAPS
from audience_assets.destinations.klaviyo.errors import PROFILE_GONE
from audience_assets.destinations.klaviyo.import_jobs import ImportJobs
from audience_assets.destinations.rows import deliver_rows
from audience_assets.destinations.turns import REMOVING, Turns

# A profile that was merged away between look-up and removal is looked up once more.
ROUNDS = 2


@dataclass(frozen=True)
class Removing:
    """Takes members of a batch off one list."""

    client: KlaviyoClient
    jobs: ImportJobs
    turns: Turns
    target: ListRef

    def remove(self, members: Sequence[Member]) -> Report:
        """Members who are not in the list (any more) are accepted; nothing is sent for them."""
        before = self.client.calls
        outcomes = {member.identifier: Outcome(member.identifier) for member in members}
        identifiers = {email: member.identifier for member in members if (email := _email(member))}
        if identifiers:
            with self.turns.of(REMOVING):
                self.jobs.settle()
                self._remove(identifiers, outcomes)
        told = [each for each in outcomes.values() if each.status is not Status.ACCEPTED]
        return Report(told, self.client.calls - before)

    def _remove(self, identifiers: Mapping[str, str], outcomes: Mapping[str, Outcome]) -> None:
        open_emails = sorted(identifiers)
        for number in range(ROUNDS):
            present = self.client.ids_in_list(self.target.id, open_emails)
            leaving = [(email, present[email]) for email in open_emails if email in present]
            open_emails = []
            for result in deliver_rows(leaving, self._send, at_most=CAPS.remove):
                email, _ = result.row
                outcome = outcomes[identifiers[email]]
                if result.error is not None:
                    outcome.status = Status.RETRY
                elif result.refusal is None:
                    continue
                elif result.refusal.reason == PROFILE_GONE and number + 1 < ROUNDS:
                    open_emails.append(email)
                else:
                    outcome.status = Status.REJECTED
                    detail = result.refusal.detail
                    outcome.issues.append(Issue(result.refusal.reason, detail, recheck=Recheck.NEXT_SYNC))
            if not open_emails:
                return

    def _send(self, leaving: Sequence[tuple[str, str]]) -> bool:
        try:
            self.client.remove_from_list(self.target.id, [profile_id for _, profile_id in leaving])
        except ListMissing as error:
            # Not found may be the list or a profile, if no row is pointed at.
            self.client.list(self.target.id)
            raise BadBatch(str(error), reason=PROFILE_GONE, status=error.status) from None
        return True


def _email(member: Member) -> str | None:
    """The address that was added; of a row without one (it never was in the list) None."""
    for raw in ((member.previous or {}).get("email"), member.values.get("email"), member.identifier):
        found = normal_email(raw)
        if not isinstance(found, Refused):
            return found
    return None

"""Adding and removing, a batch at a time.

addresses ─▶ add or delete by e-mail ─┬─▶ nothing said: done
                                      ├─▶ 2008: tried in another spelling, if there is one; else unknown
                                      ├─▶ 2010: several contacts share it; looked up, then by internal id
                                      └─▶ anything else: rejected with its reason
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from audience_assets.destinations.base import Member, Report, Status, Throttled, Unavailable
from audience_assets.destinations.emarsys.calls import ListCall, contact_ids, contacts_sharing
from audience_assets.destinations.emarsys.client import EmarsysClient
from audience_assets.destinations.emarsys.endpoints import CAPS, Code
from audience_assets.destinations.emarsys.errors import CODES
from audience_assets.destinations.emarsys.people import (
    Batch,
    Person,
    entrants,
    former_spelling,
    issue_of,
    leavers,
    spellings_of,
)
from audience_assets.destinations.emarsys.row_errors import RowErrors
from audience_assets.destinations.rows import RowResult, deliver_rows

# Of an update: the old one, the new one, and that in lower case.
SPELLINGS = 3


@dataclass(frozen=True)
class Changes:
    """Changes to one list: with the warehouse's spelling first or not, adding all who share an address or none."""

    client: EmarsysClient
    list_id: str
    as_written: bool
    add_all: bool

    def add(self, members: Sequence[Member]) -> Report:
        """Known contacts are in the list afterwards. Unknown ones are absent, and nobody is created."""
        before = self.client.calls
        call = ListCall(self.client, self.client.add, self.list_id)
        waiting, batch = entrants(members, as_written=self.as_written)
        shared: list[Person] = []
        while waiting:
            results = deliver_rows(
                waiting, lambda people: call.by_email([each.spellings[0] for each in people]), at_most=CAPS.list_change
            )
            waiting = []
            for result in results:
                codes = _codes(result, result.row.spellings[:1])
                if Code.UNKNOWN_CONTACT in codes and result.row.spellings[1:]:
                    del result.row.spellings[0]
                    waiting.append(result.row)
                elif Code.SEVERAL_CONTACTS in codes and self.add_all:
                    shared.append(result.row)
                else:
                    _settle(batch, result, codes, unknown=Status.ABSENT)
            if any(result.error for result in results):
                batch.settle(waiting, Status.RETRY)
                waiting = []
        self._by_id(call, shared, batch, unknown=Status.ABSENT)
        return Report(list(batch.outcomes.values()), self.client.calls - before)

    def update(self, members: Sequence[Member]) -> Report:
        """The new spelling is in the list afterwards, and the old one is not, if that is another contact."""
        report = self.add(members)
        if not self.as_written:
            return report
        before = self.client.calls
        outcomes = {outcome.identifier: outcome for outcome in report.outcomes}
        respelled = {member.identifier: former for member in members if (former := former_spelling(member))}
        current = {member.identifier: spellings_of(member) for member in members if member.identifier in respelled}
        try:
            ids = contact_ids(self.client, [*respelled.values(), *(s for each in current.values() for s in each)])
            stale = {
                contact
                for identifier, former in respelled.items()
                for contact in ids[former] - set[str]().union(*(ids[spelling] for spelling in current[identifier]))
            }
            if stale:
                ListCall(self.client, self.client.remove, self.list_id).by_id(sorted(stale))
        except (Throttled, Unavailable):
            # What was acknowledged is kept then, the old spelling included.
            for identifier in respelled:
                outcomes[identifier].status = Status.RETRY
        return Report(report.outcomes, report.calls + self.client.calls - before)

    def remove(self, members: Sequence[Member]) -> Report:
        """Nobody of these is in the list afterwards. Whom Emarsys does not know is in no list."""
        before = self.client.calls
        call = ListCall(self.client, self.client.remove, self.list_id)
        people, batch = leavers(members, as_written=self.as_written)
        # Which spelling got them in is not known: all are taken out.
        at_most = CAPS.list_change // max((len(person.spellings) for person in people), default=1)
        results = deliver_rows(
            people, lambda rows: call.by_email([each for row in rows for each in row.spellings]), at_most=at_most
        )
        shared: list[Person] = []
        for result in results:
            codes = _codes(result, result.row.spellings)
            # Whatever an activation's `duplicates` says: an address may have become a shared one since it was added.
            if Code.SEVERAL_CONTACTS in codes:
                shared.append(result.row)
            else:
                _settle(batch, result, codes, unknown=Status.ACCEPTED)
        self._by_id(call, shared, batch, unknown=Status.ACCEPTED)
        return Report(list(batch.outcomes.values()), self.client.calls - before)

    def _by_id(self, call: ListCall, shared: Sequence[Person], batch: Batch, *, unknown: Status) -> None:
        """Change the list for all the contacts who share these people's addresses."""
        if not shared:
            return
        try:
            found = contacts_sharing(self.client, [spelling for person in shared for spelling in person.spellings])
            ids = {p.address: sorted({i for spelling in p.spellings for i in found[spelling]}) for p in shared}
            said = call.by_id(list(dict.fromkeys(contact for each in ids.values() for contact in each)))
        except (Throttled, Unavailable):
            batch.settle(shared, Status.RETRY)
            return
        for person in shared:
            codes = [said.of(contact) for contact in ids[person.address]]
            # Those who were deleted since they were looked up don't matter while one is left.
            left = [each for each in codes if Code.UNKNOWN_CONTACT not in each]
            if refused := set[int]().union(*left):
                batch.settle([person], Status.REJECTED, issue_of(refused))
            elif not left:
                batch.settle([person], unknown)


def _codes(result: RowResult[Person, RowErrors], spellings: Collection[str]) -> set[int]:
    """What was said of a row, by the call that carried it or by its refusal."""
    if result.answer is not None:
        return set[int]().union(*(result.answer.of(spelling) for spelling in spellings))
    return {CODES[result.refusal.reason]} if result.refusal and result.refusal.reason in CODES else set()


def _settle(batch: Batch, result: RowResult[Person, RowErrors], codes: set[int], *, unknown: Status) -> None:
    if result.error is not None:
        batch.settle([result.row], Status.RETRY)
    elif codes - {Code.UNKNOWN_CONTACT}:
        batch.settle([result.row], Status.REJECTED, issue_of(codes))
    elif result.refusal is not None and not codes:
        batch.settle([result.row], Status.REJECTED, issue_of(codes, result.refusal.detail))
    elif codes:
        batch.settle([result.row], unknown)

"""A member's number means another contact now: national numbers are read by a region, and the region changed.

The contact of the old reading is taken off the list, then that of the new one is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audience_assets.destinations.base import Member, Outcome, Report, Status
from audience_assets.destinations.dotdigital.entering import Entering
from audience_assets.destinations.dotdigital.identifiers import read_key
from audience_assets.destinations.dotdigital.leaving import Leaving


@dataclass(frozen=True)
class Changing:
    """Updates members of a batch. Whoever means the same contact is here for another try to add."""

    entering: Entering
    leaving: Leaving

    def deliver(self, members: Sequence[Member]) -> Report:
        left = Report()
        moved = [member for member in members if member.previous is not None and self._has_moved(member)]
        if moved:
            left = self.leaving.deliver(
                [Member(each.identifier, each.previous or {}, each.vendor_id) for each in moved]
            )
        open_ones = {each.identifier for each in left.outcomes if each.status is Status.RETRY}
        added = self.entering.deliver([member for member in members if member.identifier not in open_ones])
        undecided = [Outcome(identifier, Status.RETRY) for identifier in open_ones]
        return Report([*added.outcomes, *undecided], left.calls + added.calls)

    def _has_moved(self, member: Member) -> bool:
        kind, region = self.entering.kind, self.entering.default_region
        return read_key(kind, member.previous or {}, region) != read_key(kind, member.values, region)

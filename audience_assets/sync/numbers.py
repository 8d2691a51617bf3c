"""Batches: runs of consecutive numbers in the change table.

A change's `seq` falls into the range of its operation, and a batch is named by the first number of its run, so that
no row has to be written a second time to know its batch. Removals come first, because a withdrawn consent waits
for nobody, then updates, then additions.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from audience_assets.destinations.base import Operation

# Changes of the ledger alone: the winner or the spelling changed, or a row that was never in the list went away.
RELINK = "relink"
DROP = "drop"
LEDGER_ONLY = (RELINK, DROP)
DELIVERED = (Operation.REMOVE, Operation.UPDATE, Operation.ADD)

RANGE = 1_000_000_000
# Additions alone are numbered as they are written; every other plan is numbered once it is known.
_RANGES = {Operation.REMOVE.value: -4, Operation.UPDATE.value: -3, Operation.ADD.value: -2, RELINK: -1, DROP: 1}


class Numbering:
    """Numbers for given batch sizes. Ranges start at multiples of the size, so a run never straddles two."""

    def __init__(self, sizes: Mapping[Operation, int]) -> None:
        self.sizes = {str(operation): size for operation, size in sizes.items()}

    def size(self, operation: str) -> int:
        return self.sizes.get(operation, self.sizes[Operation.ADD.value])

    def base(self, operation: str) -> int:
        """The number before the first of an operation's range."""
        size = self.size(operation)
        return _RANGES[operation] * (RANGE // size) * size

    def batch(self, change: sa.FromClause) -> sa.ColumnElement[int]:
        """The batch a change belongs to. The remainder of a negative number is negative in SQL: shift it first."""
        shift = 5 * RANGE
        sizes = [(operation, size, shift // size * size) for operation, size in self.sizes.items()]
        offset = sa.case(
            *((change.c.operation == operation, (change.c.seq - 1 + lift) % size) for operation, size, lift in sizes),
            else_=0,
        )
        return change.c.seq - offset

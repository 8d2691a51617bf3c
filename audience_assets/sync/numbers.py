"""Batch numbers: removals first, because a withdrawn consent waits for nobody, then updates, then additions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.destinations.base import Operation

# Changes of the ledger alone: the winner or the spelling changed, or a row that was never in the list went away.
RELINK = "relink"
DROP = "drop"

FIRST_BATCH: dict[str, int] = {
    Operation.REMOVE: 1_000_000_000,
    Operation.UPDATE: 2_000_000_000,
    Operation.ADD: 3_000_000_000,
    RELINK: 4_000_000_000,
    DROP: 5_000_000_000,
}
DELIVERED = (Operation.REMOVE, Operation.UPDATE, Operation.ADD)
LEDGER_ONLY = (RELINK, DROP)


def batch_number(operation: str, position: sa.ColumnElement[int], size: int) -> sa.ColumnElement[Any]:
    """The batch of the row at `position` (from 1). Whole division by hand: `/` divides floats on DuckDB."""
    zero_based = position - 1
    return sa.cast((zero_based - zero_based % size) / size, sa.BigInteger) + FIRST_BATCH[operation]

"""A user whose identifier changes may keep the phone number: then the number is not opted out.

The ledger is keyed by identifier, so another spelling of a number (`202-555-0101` for `+12025550101`), or an e-mail
address where there was a number alone, is a removal and an addition. The vendor has one contact for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from audience_assets.destinations.base import Operation
from audience_assets.destinations.identifiers import same_number
from audience_assets.sync.desired import normalise
from audience_assets.sync.numbers import DROP, RELINK
from audience_assets.warehouse.state import MappedColumn

ENTERING = (Operation.ADD.value, Operation.UPDATE.value, RELINK)
# Rows read and written at a time.
PART = 1_000


@dataclass(frozen=True)
class Phones:
    """Where a list has its members' numbers; `default_region` is the ISO country of those without one."""

    phone: MappedColumn
    region: MappedColumn | None
    default_region: str | None

    def keep(self, connection: Connection, change: sa.Table) -> None:
        """Removals of numbers that stay: dropped from the ledger alone, or told without the number."""
        dropped: list[int] = []
        kept: list[int] = []
        for rows in connection.execute(self._pairs(change)).partitions(PART):
            for row in rows:
                if self._same_number(row):
                    (dropped if row.is_number else kept).append(row.seq)
        number = {self.phone.column: None, self.phone.previous: None}
        for found, values in ((dropped, {"operation": DROP}), (kept, number)):
            for start in range(0, len(found), PART):
                seqs = found[start : start + PART]
                connection.execute(change.update().where(change.c.seq.in_(seqs)).values(**values))

    def _pairs(self, change: sa.Table) -> sa.Select[tuple[int, str, str, str, str, bool]]:
        """Number and region of each user who leaves under one identifier and enters under another."""
        new = change.alias("entering")
        same_user = (new.c.user_key == change.c.user_key) & new.c.operation.in_(ENTERING)
        number = change.c[self.phone.previous]
        region = self.region.column if self.region else None
        return (
            sa.select(
                change.c.seq,
                number.label("old"),
                new.c[self.phone.column].label("new"),
                (change.c[region] if region else sa.null()).label("old_region"),
                (new.c[region] if region else sa.null()).label("new_region"),
                (change.c.identifier == normalise("phone", number)).label("is_number"),
            )
            .join(new, same_user)
            .where(change.c.operation == Operation.REMOVE.value, number.is_not(None))
        )

    def _same_number(self, row: Row[tuple[int, str, str, str, str, bool]]) -> bool:
        return same_number((row.old, row.old_region), (row.new, row.new_region), self.default_region)

"""The difference between an audience and its ledger, written to the change table in SQL alone.

Users are compared by key and raw mapped columns, so that a user who did not change costs one index look-up;
identifiers are normalised, de-duplicated and matched against the ledger only for those who did. A change of
address is one removal and one addition, because the ledger is keyed by identifier; removing one of two users
who share an address removes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.destinations.base import Operation, Recheck
from audience_assets.sync.desired import Desired
from audience_assets.sync.numbers import DROP, FIRST_BATCH, RELINK, batch_number
from audience_assets.warehouse.state import ListTables

MEMBER = "member"
ABSENT = "absent"
REJECTED = "rejected"
IN_DOUBT = "in_doubt"
IN_LIST = (MEMBER, IN_DOUBT)


@dataclass(frozen=True)
class Differ:
    """Writes the changes of one list. `updates` tells whether the service has anything to update."""

    tables: ListTables
    desired: Desired
    batch_sizes: Mapping[Operation, int]

    def write(self, connection: Connection, *, ledger_is_empty: bool) -> int:
        """Fill the change table. Runs in the caller's transaction.

        Returns how many users of the audience stand behind another user with the same identifier.
        """
        connection.execute(self.tables.change.delete())
        self._insert_fresh(connection)
        duplicates = self._drop_duplicates(connection)
        if ledger_is_empty:
            return duplicates
        duplicates += self._drop_held(connection)
        self._renumber(connection)
        self._insert_gone(connection)
        self._keep_shared_contacts(connection)
        return duplicates

    def _same_values(self, ledger: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        return [
            ledger.c[column.column].is_not_distinct_from(self.desired.values[column.column])
            for column in self.desired.columns
        ]

    def _insert_fresh(self, connection: Connection) -> None:
        """Everybody in the audience who is not in the ledger exactly so, as additions, updates or relinks."""
        change, desired = self.tables.change, self.desired
        ledger, holder = self.tables.ledger.alias("known"), self.tables.ledger.alias("holder")
        identifier = desired.identifier()
        position = sa.func.row_number().over()
        settled = ledger.c.recheck.is_distinct_from(Recheck.NEXT_SYNC.value) & ledger.c.status.in_((MEMBER, REJECTED))
        unchanged = (ledger.c.user_key == desired.members.c.user_key) & sa.and_(*self._same_values(ledger)) & settled
        columns = [column.column for column in desired.columns]
        rows = (
            sa.select(
                batch_number(Operation.ADD, position, self.batch_sizes[Operation.ADD]),
                position,
                self._operation(holder),
                desired.members.c.user_key,
                identifier,
                holder.c.vendor_id,
                *(desired.values[column] for column in columns),
                *(holder.c[column] for column in columns),
            )
            .select_from(desired.joined().outerjoin(holder, holder.c.identifier == identifier))
            .where(identifier.is_not(None), ~sa.exists().where(unchanged))
        )
        names = ["batch", "seq", "operation", "user_key", "identifier", "vendor_id", *columns]
        names += [column.previous for column in desired.columns]
        connection.execute(change.insert().from_select(names, rows))

    def _operation(self, holder: sa.FromClause) -> sa.ColumnElement[str]:
        tracked = [
            holder.c[column].is_distinct_from(self.desired.values[column]) for column in self.desired.tracked_columns
        ]
        again = holder.c.recheck == Recheck.NEXT_SYNC.value
        return sa.case(
            (holder.c.status.is_distinct_from(MEMBER), Operation.ADD.value),
            (sa.or_(again, *tracked), Operation.UPDATE.value),
            else_=RELINK,
        )

    def _drop_duplicates(self, connection: Connection) -> int:
        """Of users who share an identifier the one with the smallest key stands for all."""
        change, duplicate = self.tables.change, self.tables.duplicate
        connection.execute(duplicate.delete())
        groups = (
            sa.select(change.c.identifier, sa.func.min(change.c.user_key), sa.func.count())
            .group_by(change.c.identifier)
            .having(sa.func.count() > 1)
        )
        connection.execute(duplicate.insert().from_select(["identifier", "keep", "users"], groups))
        count = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(duplicate.c.users - 1), 0)))
        if not count:
            return 0
        loses = (duplicate.c.identifier == change.c.identifier) & (duplicate.c.keep != change.c.user_key)
        connection.execute(change.delete().where(sa.exists().where(loses)))
        return int(count)

    def _drop_held(self, connection: Connection) -> int:
        """A user whose identifier is held by a smaller key that still wants it changes nothing."""
        change, holder, desired = self.tables.change, self.tables.ledger.alias("holder"), self.desired
        still = sa.exists(
            sa.select(sa.literal(1))
            .select_from(desired.joined())
            .where(desired.members.c.user_key == holder.c.user_key, *self._same_identifiers(holder))
        )
        held = (holder.c.identifier == change.c.identifier) & (holder.c.user_key < change.c.user_key)
        held &= holder.c.status.in_((MEMBER, REJECTED)) & still
        return int(connection.execute(change.delete().where(sa.exists().where(held))).rowcount)

    def _same_identifiers(self, ledger: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        values = self.desired.values
        return [ledger.c[name].is_not_distinct_from(values[name]) for name in self.desired.identifier_columns]

    def _renumber(self, connection: Connection) -> None:
        """Give each operation batches of its own size; a plan of additions alone is numbered already."""
        change = self.tables.change
        mixed = sa.select(sa.exists().where(change.c.operation != Operation.ADD.value))
        if not connection.scalar(mixed):
            return
        position = sa.func.row_number().over(partition_by=change.c.operation, order_by=change.c.seq)
        placed = sa.select(change.c.seq, change.c.operation, position.label("position")).subquery("placed")
        sizes = {**self.batch_sizes, RELINK: self.batch_sizes[Operation.ADD]}
        number = sa.case(
            *(
                (
                    placed.c.operation == str(operation),
                    batch_number(operation, placed.c.position, sizes[operation]),
                )
                for operation in (Operation.UPDATE, RELINK)
            ),
            else_=batch_number(Operation.ADD, placed.c.position, sizes[Operation.ADD]),
        )
        numbered = sa.select(placed.c.seq, number.label("batch")).subquery("numbered")
        connection.execute(change.update().values(batch=numbered.c.batch).where(numbered.c.seq == change.c.seq))

    def _insert_gone(self, connection: Connection) -> None:
        """Ledger rows that nobody in the audience stands for any more: removals, or drops if never in the list."""
        change, ledger, desired = self.tables.change, self.tables.ledger, self.desired
        wanted = sa.exists(
            sa.select(sa.literal(1))
            .select_from(desired.joined())
            .where(desired.members.c.user_key == ledger.c.user_key, *self._same_identifiers(ledger))
        )
        listed = ledger.c.status.in_(IN_LIST)
        claimed = ledger.c.identifier.in_(sa.select(change.c.identifier))
        columns = [column.column for column in desired.columns]
        previous = [column.previous for column in desired.columns]
        for operation, condition in ((Operation.REMOVE, listed), (DROP, ~listed)):
            position = sa.func.row_number().over()
            rows = sa.select(
                batch_number(operation, position, self.batch_sizes[Operation.REMOVE]),
                position + FIRST_BATCH[operation],
                sa.literal(str(operation)),
                ledger.c.user_key,
                ledger.c.identifier,
                ledger.c.vendor_id,
                *(ledger.c[column] for column in columns),
                *(ledger.c[column] for column in columns),
            ).where(condition, ~wanted, ~claimed)
            names = ["batch", "seq", "operation", "user_key", "identifier", "vendor_id", *columns, *previous]
            connection.execute(change.insert().from_select(names, rows))

    def _keep_shared_contacts(self, connection: Connection) -> None:
        """Two spellings of one phone are one contact at the vendor: while one stays, the other is only dropped."""
        change, ledger = self.tables.change, self.tables.ledger
        leaving = sa.select(change.c.identifier).where(change.c.operation == Operation.REMOVE.value)
        contacts = sa.select(change.c.vendor_id).where(
            change.c.operation == Operation.REMOVE.value, change.c.vendor_id.is_not(None)
        )
        stays = sa.select(ledger.c.vendor_id).where(
            ledger.c.vendor_id.in_(contacts), ledger.c.status == MEMBER, ~ledger.c.identifier.in_(leaving)
        )
        connection.execute(
            change.update()
            .where(change.c.operation == Operation.REMOVE.value, change.c.vendor_id.in_(stays))
            .values(
                operation=DROP,
                batch=change.c.batch - FIRST_BATCH[Operation.REMOVE] + FIRST_BATCH[DROP],
                seq=change.c.seq + FIRST_BATCH[DROP],
            )
        )


def count_operations(connection: Connection, change: sa.Table) -> list[tuple[int, str, int]]:
    """Batch number, operation and size of every batch, in order."""
    rows: Any = connection.execute(
        sa.select(change.c.batch, change.c.operation, sa.func.count())
        .group_by(change.c.batch, change.c.operation)
        .order_by(change.c.batch)
    )
    return [(int(row[0]), str(row[1]), int(row[2])) for row in rows]

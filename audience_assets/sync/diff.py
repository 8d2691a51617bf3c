"""The difference between an audience and its ledger, written to the change table in SQL alone.

Users are compared by key and raw mapped columns, so that a user who did not change costs one ordered look-up;
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

from audience_assets.audiences.planning import expect_few_rows, indexed_afterwards
from audience_assets.destinations.base import Operation, Recheck
from audience_assets.sync.desired import Desired
from audience_assets.sync.numbers import DROP, RELINK, Numbering
from audience_assets.sync.respelled import Phones
from audience_assets.warehouse.counting import RowCounter, start_counting
from audience_assets.warehouse.state import ListTables

MEMBER = "member"
ABSENT = "absent"
REJECTED = "rejected"
IN_DOUBT = "in_doubt"
# Refused, after an earlier answer was lost: no member, but perhaps in the list.
UNSURE = "unsure"
# Another contact by now. As `recheck` of a member: must leave the list first. As status: has left, and enters again.
REENTERING = "reentering"
IN_LIST = (MEMBER, IN_DOUBT)
MAY_BE_LISTED = (*IN_LIST, UNSURE)
# A user with no identifier, or one that another user stands for: what the ledger holds of them may have to go.
LOST = "lost"
# A user whose identifier is in the ledger for a smaller key.
HELD = "held"
# Users who want to be in the list, as changes before they are matched with who holds their identifier.
WANTED = (Operation.ADD.value, Operation.UPDATE.value, RELINK, REENTERING)


@dataclass(frozen=True)
class Differ:
    """Writes the changes of one list. `tracked_columns` of the desired side decide what is an update."""

    tables: ListTables
    desired: Desired
    numbering: Numbering
    phones: Phones | None = None

    def write(self, connection: Connection, *, ledger_is_empty: bool) -> int:
        """Fill the change table. Runs in the caller's transaction.

        Returns how many users of the audience stand behind another user with the same identifier.
        """
        connection.execute(self.tables.change.delete())
        if ledger_is_empty:
            self._insert_everybody(connection)
            duplicates = self._drop_duplicates(connection, sa.true())
            if duplicates:
                self._delete_lost(connection)
            return duplicates
        self._insert_differences(connection)
        if self.desired.expands:
            self._keep_unseen(connection)
        if not self._any(connection, sa.select(self.tables.change.c.seq)):
            return 0
        expect_few_rows(connection, self.tables.change, self.tables.change.c.operation)
        duplicates = self._drop_duplicates(connection, self.tables.change.c.operation.in_(WANTED))
        ledger = self.tables.ledger
        held = (ledger.c.user_key < self.tables.change.c.user_key) & (ledger.c.due == 0)
        self._match_holders(connection, Operation.ADD.value, (held, HELD))
        duplicates += self._drop_held(connection)
        if not self.desired.expands:
            self._insert_moved(connection)
        self._keep_claimed(connection)
        self._take_off_first(connection)
        if self.phones:
            self.phones.keep(connection, self.tables.change)
        self._keep_shared_contacts(connection)
        self._delete_lost(connection)
        self._number(connection)
        return duplicates

    @staticmethod
    def _any(connection: Connection, query: sa.Select[Any]) -> bool:
        return connection.execute(query.limit(1)).first() is not None

    def _delete_lost(self, connection: Connection) -> None:
        connection.execute(self.tables.change.delete().where(self.tables.change.c.operation == LOST))

    def _insert(self, connection: Connection, values: dict[str, Any], query: sa.Select[Any], *, after: int = 0) -> None:
        """Insert rows; they are numbered as they come, from `after` on."""
        change = self.tables.change
        if connection.dialect.name != "sqlite":
            start_counting(connection)
            values = {"seq": RowCounter() + after, **values}
        connection.execute(change.insert().from_select(list(values), query.with_only_columns(*values.values())))

    def _wanted_values(self) -> dict[str, Any]:
        desired = self.desired
        columns = {column.column: desired.values[column.column] for column in desired.columns}
        return {"user_key": desired.members.c.user_key, "identifier": desired.identifier(), **columns}

    def _insert_everybody(self, connection: Connection) -> None:
        """The first sync: everybody who has an identifier is an addition."""
        values = {"operation": sa.literal(Operation.ADD.value), **self._wanted_values()}
        query = sa.select(*values.values()).select_from(self.desired.joined()).where(self.desired.has_identifier())
        with indexed_afterwards(connection, self.tables.change):
            self._insert(connection, values, query)

    def _insert_differences(self, connection: Connection) -> None:
        """Everybody in the audience who is not in the ledger exactly so, and ledger rows whose user left it.

        One full join, which Postgres and DuckDB do in half the time of a join and an anti-join. SQLite's is slow.
        Whoever is in the audience and not in the users model, which may be loaded anew just now, has not left.
        """
        desired, known, members = self.desired, self.tables.ledger.alias("known"), self.desired.members
        differs = sa.or_(
            known.c.user_key.is_(None),
            known.c.due != 0,
            *(known.c[name.column].is_distinct_from(desired.values[name.column]) for name in desired.columns),
        )
        # Nothing of theirs may have changed, but what they were known by counts no more: other channels were chosen.
        differs |= desired.may_be_blank() & ~desired.has_identifier()
        fresh = differs & (desired.has_identifier() | known.c.user_key.is_not(None))
        wanted, gone = self._compared(known), self._gone(known)
        same_user = known.c.user_key == members.c.user_key
        if desired.expands:
            same_user &= known.c.identifier == desired.identifier()
        if connection.dialect.name == "sqlite":
            pairs = desired.joined().outerjoin(known, same_user)
            self._insert(connection, wanted, sa.select(*wanted.values()).select_from(pairs).where(fresh))
            left: sa.ColumnElement[bool] = known.c.user_key.not_in(sa.select(members.c.user_key))
            if desired.expands:
                left = sa.tuple_(known.c.user_key, known.c.identifier).not_in(self._identified())
            self._insert(connection, gone, sa.select(*gone.values()).select_from(known).where(left))
            return
        left, seen = members.c.user_key.is_(None), desired.key.is_not(None)
        values = {name: sa.case((left, gone[name]), else_=wanted[name]) for name in gone}
        pairs = desired.joined(unseen=True).outerjoin(known, same_user, full=True)
        self._insert(connection, values, sa.select(*values.values()).select_from(pairs).where(left | (seen & fresh)))

    def _identified(self) -> sa.Select[Any]:
        """User and identifier of every row that has one."""
        columns = (self.desired.members.c.user_key, self.desired.identifier())
        joined = self.desired.joined(identifiers_only=True)
        return sa.select(*columns).select_from(joined).where(self.desired.has_identifier())

    def _keep_unseen(self, connection: Connection) -> None:
        """Where users expand, one of their addresses may leave while they stay, unless the users model lacks them."""
        desired, change = self.desired, self.tables.change
        key, leaving = desired.members.c.user_key, change.c.operation.in_((Operation.REMOVE.value, DROP))
        seen = sa.select(key).join_from(desired.members, desired.users, desired.key == key)
        unseen = sa.and_(change.c.user_key.in_(sa.select(key)), change.c.user_key.not_in(seen))
        connection.execute(change.delete().where(leaving, unseen))

    def _compared(self, known: sa.FromClause) -> dict[str, Any]:
        """A user as a change, beside the ledger row of theirs, if any.

        Who is a member by the same identifier is an update already; the others are matched with who holds theirs.
        """
        kept = (known.c.status == MEMBER) & (known.c.identifier == self.desired.identifier())
        operation = sa.case(
            (~self.desired.has_identifier(), LOST),
            (kept, self._update_or_relink(known, self.desired.values)),
            else_=Operation.ADD.value,
        )
        # Nobody reads what an addition was before, so these need not ask who kept their identifier.
        before = {column.previous: known.c[column.column] for column in self.desired.columns}
        vendor_id = sa.case((kept, known.c.vendor_id))
        return {"operation": operation, "vendor_id": vendor_id, **self._wanted_values(), **before}

    def _update_or_relink(
        self, held: sa.FromClause, wanted: Mapping[str, sa.ColumnElement[Any]]
    ) -> sa.ColumnElement[str]:
        tracked = [held.c[name].is_distinct_from(wanted[name]) for name in self.desired.tracked_columns]
        again = held.c.recheck == Recheck.NEXT_SYNC.value
        return sa.case(
            (held.c.recheck == REENTERING, REENTERING), (sa.or_(again, *tracked), Operation.UPDATE.value), else_=RELINK
        )

    def _match_holders(self, connection: Connection, among: str, *first: tuple[sa.ColumnElement[bool], str]) -> None:
        """Whose identifier is in the list already is no addition but an update, or a relink if nothing shows.

        `first` are cases that go before these.
        """
        change, holder = self.tables.change, self.tables.ledger
        member = self._update_or_relink(holder, dict(change.c.items()))
        operation = sa.case(*first, (holder.c.status != MEMBER, Operation.ADD.value), else_=member)
        previous = {column.previous: holder.c[column.column] for column in self.desired.columns}
        connection.execute(
            change.update()
            .where(change.c.operation == among, holder.c.identifier == change.c.identifier)
            .values(operation=operation, vendor_id=holder.c.vendor_id, **previous)
        )

    def _drop_duplicates(self, connection: Connection, wanting: sa.ColumnElement[bool]) -> int:
        """Of users who share an identifier the one with the smallest key stands for all."""
        change, duplicate = self.tables.change, self.tables.duplicate
        connection.execute(duplicate.delete())
        shared = sa.select(change.c.identifier).where(wanting)
        shared = shared.group_by(change.c.identifier).having(sa.func.count() > 1)
        if not connection.execute(duplicate.insert().from_select(["identifier"], shared)).rowcount:
            return 0
        among = change.c.identifier.in_(sa.select(duplicate.c.identifier)) & wanting
        users = sa.func.count(change.c.user_key.distinct()).label("users")
        first = sa.select(change.c.identifier, _smallest(change.c.user_key).label("keep"), users)
        kept = first.where(among).group_by(change.c.identifier).subquery("kept")
        same = kept.c.identifier == duplicate.c.identifier
        connection.execute(duplicate.update().values(keep=kept.c.keep, users=kept.c.users).where(same))
        loses = (duplicate.c.identifier == change.c.identifier) & (duplicate.c.keep != change.c.user_key)
        lost = change.update().where(wanting, loses)
        connection.execute(lost.values(operation=LOST, identifier=None))
        # A user with two ledger rows (a change of address that was interrupted) was compared with both.
        copies = sa.select(sa.func.min(change.c.seq)).where(among).group_by(change.c.identifier)
        connection.execute(change.delete().where(among, ~change.c.seq.in_(copies)))
        return int(connection.scalar(sa.select(sa.func.sum(duplicate.c.users - 1))) or 0)

    def _drop_held(self, connection: Connection) -> int:
        """A user whose identifier is held by a smaller key that still wants it changes nothing."""
        change, ledger, desired = self.tables.change, self.tables.ledger, self.desired
        claims = change.c.operation == HELD
        if not self._any(connection, sa.select(change.c.seq).where(claims)):
            return 0  # the common case, and the statement below reads the whole audience
        # Joined, not EXISTS: not every warehouse correlates a subquery by anything but equality.
        wants = desired.joined(identifiers_only=True).join(ledger, ledger.c.user_key == desired.members.c.user_key)
        still = sa.select(ledger.c.identifier).select_from(wants)
        holder = still.where(ledger.c.due == 0, *self._same_identifiers(ledger)).subquery("holder")
        same = holder.c.identifier == change.c.identifier
        lost = connection.execute(change.update().where(claims, same).values(operation=LOST, identifier=None))
        self._match_holders(connection, HELD)
        return int(lost.rowcount)

    def _same_identifiers(self, ledger: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        values = self.desired.values
        return [ledger.c[name].is_not_distinct_from(values[name]) for name in self.desired.identifier_columns]

    def _gone(self, ledger: sa.FromClause) -> dict[str, Any]:
        """A ledger row as a removal, or as a drop if it never was in the list."""
        listed = ledger.c.status.in_(MAY_BE_LISTED)
        return {
            "operation": sa.case((listed, Operation.REMOVE.value), else_=DROP),
            "user_key": ledger.c.user_key,
            "identifier": ledger.c.identifier,
            "vendor_id": ledger.c.vendor_id,
            **{column.column: ledger.c[column.column] for column in self.desired.columns},
            **{column.previous: ledger.c[column.column] for column in self.desired.columns},
        }

    def _insert_moved(self, connection: Connection) -> None:
        """Ledger rows whose user is among the changes found and has another identifier now, or none.

        Where users expand, the rows were compared by identifier, so these have been found.
        """
        change, ledger = self.tables.change, self.tables.ledger
        leaving = change.c.operation.in_((Operation.REMOVE.value, DROP))
        moved = change.c.identifier.is_distinct_from(ledger.c.identifier)
        pairs = change.join(ledger, change.c.user_key == ledger.c.user_key)
        if self._any(connection, sa.select(change.c.seq).select_from(pairs).where(moved, ~leaving)):
            self._drop_lost_copies(connection)
            values, last = self._gone(ledger), connection.scalar(sa.select(sa.func.max(change.c.seq))) or 0
            found = sa.select(*values.values()).select_from(pairs).where(moved, ~leaving)
            self._insert(connection, values, found, after=last)

    def _take_off_first(self, connection: Connection) -> None:
        """Whoever is to enter again is a removal, as whom they were added."""
        change = self.tables.change
        before = {column.column: change.c[column.previous] for column in self.desired.columns}
        removal = {"operation": Operation.REMOVE.value, "enters_again": 1}
        connection.execute(change.update().where(change.c.operation == REENTERING).values(**removal, **before))

    def _keep_claimed(self, connection: Connection) -> None:
        """Whatever somebody else in the audience stands for is no removal."""
        change = self.tables.change
        leaving = change.c.operation.in_((Operation.REMOVE.value, DROP))
        stays = change.alias("stays")
        claimed = sa.select(stays.c.identifier).where(
            stays.c.operation.not_in((Operation.REMOVE.value, DROP)), stays.c.identifier.is_not(None)
        )
        connection.execute(change.delete().where(leaving, change.c.identifier.in_(claimed)))

    def _drop_lost_copies(self, connection: Connection) -> None:
        """A lost user with two ledger rows was compared with both, too, and each would remove both."""
        change = self.tables.change
        lost = change.c.operation == LOST
        first = sa.select(sa.func.min(change.c.seq)).where(lost).group_by(change.c.user_key)
        connection.execute(change.delete().where(lost, ~change.c.seq.in_(first)))

    def _keep_shared_contacts(self, connection: Connection) -> None:
        """Two spellings of one phone are one contact at the vendor: while one stays, the other is only dropped."""
        change, ledger = self.tables.change, self.tables.ledger
        removal = change.c.operation == Operation.REMOVE.value
        contacts = sa.select(change.c.vendor_id).where(removal, change.c.vendor_id.is_not(None))
        if not connection.scalar(sa.select(sa.exists(contacts))):
            return
        leaving = sa.select(change.c.identifier).where(removal)
        stays = sa.select(ledger.c.vendor_id).where(
            ledger.c.vendor_id.in_(contacts), ledger.c.status == MEMBER, ~ledger.c.identifier.in_(leaving)
        )
        connection.execute(change.update().where(removal, change.c.vendor_id.in_(stays)).values(operation=DROP))

    def _number(self, connection: Connection) -> None:
        """Give each operation a range of its own, without gaps, so that its batches are full."""
        change = self.tables.change
        position = sa.func.row_number().over(partition_by=change.c.operation, order_by=change.c.seq)
        placed = sa.select(change.c.seq, change.c.operation, position.label("position")).subquery("placed")
        operations = (*(operation.value for operation in Operation), RELINK, DROP)
        base = sa.case(*((placed.c.operation == name, self.numbering.base(name)) for name in operations), else_=0)
        numbered = sa.select(placed.c.seq, (base + placed.c.position).label("number")).subquery("numbered")
        connection.execute(change.update().values(seq=numbered.c.number).where(numbered.c.seq == change.c.seq))


def _smallest(key: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Postgres compares uuids and knows no smallest one; their text sorts alike."""
    if not isinstance(key.type, sa.Uuid):
        return sa.func.min(key)
    return sa.cast(sa.func.min(sa.cast(key, sa.String)), key.type)

"""Recording what the vendor answered, one batch at a time, in a few set-based statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.destinations.base import ConsentWrite, Issue, Outcome, Recheck, Report, Status
from audience_assets.sync.numbers import DELIVERED, Numbering
from audience_assets.warehouse.json_rows import encode_rows, json_rows
from audience_assets.warehouse.state import ListTables, State

# Planned, sent, answered, and in the ledger already.
PLANNED, SENT, DONE, FOLDED = "planned", "sent", "done", "folded"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Journal:
    """The durable record of one sync's batches."""

    state: State
    tables: ListTables
    numbering: Numbering
    sync: str
    activation: str
    destination: str
    now: Callable[[], datetime]

    def _batches(self, numbers: Sequence[int]) -> sa.ColumnElement[bool]:
        batch = self.state.batch
        return (batch.c.sync == self.sync) & batch.c.number.in_(numbers)

    def mark_sent(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Before the first byte leaves: from here on the batch's fate is open until it is answered."""
        if numbers:
            sent = self.state.batch.update().where(self._batches(numbers))
            connection.execute(sent.values(status=SENT, sent_at=self.now()))

    def acknowledge(self, connection: Connection, number: int, operation: str, report: Report) -> None:
        """Record what the vendor said of one batch's members. `close` makes it count."""
        now = self.now()
        outcomes = [outcome for outcome in report.outcomes if _says_something(outcome)]
        self._insert_outcomes(connection, outcomes)
        self._insert_rejections(connection, number, operation, outcomes, now)
        self._insert_consents(connection, number, outcomes, now)

    def close(self, connection: Connection, numbers: Sequence[int]) -> None:
        """These batches are answered; the merge may take them up."""
        if numbers:
            done = self.state.batch.update().where(self._batches(numbers))
            connection.execute(done.values(status=DONE, answered_at=self.now()))

    def _insert_outcomes(self, connection: Connection, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        rows = json_rows(
            "rows",
            {
                "identifier": sa.String(),
                "status": sa.String(),
                "vendor_id": sa.String(),
                "recheck": sa.String(),
            },
        )
        values = [[o.identifier, o.status.value, o.vendor_id, _recheck(o)] for o in outcomes]
        columns = (rows.c.identifier, rows.c.status, rows.c.vendor_id, rows.c.recheck)
        self._insert(
            connection,
            self.state.outcome,
            ["sync", "identifier", "status", "vendor_id", "recheck"],
            sa.select(sa.literal(self.sync), *columns),
            values,
        )

    def _insert_rejections(
        self, connection: Connection, number: int, operation: str, outcomes: Sequence[Outcome], now: datetime
    ) -> None:
        if not any(outcome.issues for outcome in outcomes):
            return
        known = self._known_consents(connection, number)
        values = [
            [*_issue_row(o.identifier, issue), known.get((o.identifier, issue.channel))]
            for o in outcomes
            for issue in o.issues
        ]
        names = ("identifier", "channel", "reason", "detail", "recheck")
        table = self.state.rejection
        rows = json_rows("rows", {**dict.fromkeys(names, sa.String()), "consent_at": table.c.consent_at.type})
        constants: dict[str, Any] = {
            "activation": sa.literal(self.activation),
            "sync": sa.literal(self.sync),
            "operation": sa.literal(operation),
            "attempts": sa.literal(1),
            "first_seen": sa.literal(now, table.c.first_seen.type),
            "last_seen": sa.literal(now, table.c.last_seen.type),
        }
        query = sa.select(*constants.values(), *rows.c)
        self._insert(connection, table, [*constants, *names, "consent_at"], query, values)

    def _known_consents(self, connection: Connection, number: int) -> dict[tuple[str, str | None], datetime]:
        """(Identifier, channel) -> time of the newest consent that a batch was decided with."""
        change, channels = self.tables.change, self.tables.channels
        query = sa.select(change.c.identifier, *(change.c[f"{channel}_at"] for channel in channels))
        rows = connection.execute(query.where(self._in_batch(number)))
        return {(row[0], channel): at for row in rows for channel, at in zip(channels, row[1:], strict=True) if at}

    def _in_batch(self, number: int) -> sa.ColumnElement[bool]:
        return self.tables.change.c.seq.between(number, number + self._largest)

    def _insert_consents(self, connection: Connection, number: int, outcomes: Sequence[Outcome], now: datetime) -> None:
        if not any(outcome.consents for outcome in outcomes):
            return
        keys = self._user_keys(connection, number)
        values = [_consent_row(o.identifier, keys.get(o.identifier), write) for o in outcomes for write in o.consents]
        text = dict.fromkeys(("identifier", "user_key", "channel", "address", "status", "basis"), sa.String())
        table = self.state.consent_log
        rows = json_rows(
            "rows",
            {
                **text,
                "consented_at": table.c.consented_at.type,
                "changed": sa.Boolean(),
                "certain": sa.Boolean(),
                "request_id": sa.String(),
            },
        )
        constants: dict[str, Any] = {
            "sync": sa.literal(self.sync),
            "activation": sa.literal(self.activation),
            "destination": sa.literal(self.destination),
            "logged_at": sa.literal(now, table.c.logged_at.type),
        }
        query = sa.select(*constants.values(), *rows.c)
        self._insert(connection, table, [*constants, *(column.name for column in rows.c)], query, values)

    def _user_keys(self, connection: Connection, number: int) -> dict[str, str]:
        """Identifier -> user key of a batch. Joined here: no warehouse has an index for a thousand rows."""
        change = self.tables.change
        query = sa.select(change.c.identifier, sa.cast(change.c.user_key, sa.String))
        return {row[0]: row[1] for row in connection.execute(query.where(self._in_batch(number)))}

    @staticmethod
    def _insert(
        connection: Connection, table: sa.Table, names: list[str], query: sa.Select[Any], values: list[Any]
    ) -> None:
        connection.execute(table.insert().from_select(names, query), {"rows": encode_rows(values)})

    def leave_open(self, connection: Connection) -> int:
        """Answer for batches that were sent and never answered: every member of them is decided anew.

        Returns how many members that are. Their consent may have been written, and the log says so.
        """
        batch, change, outcome = self.state.batch, self.tables.change, self.state.outcome
        sent = sa.select(batch.c.number).where(batch.c.sync == self.sync, batch.c.status == SENT)
        open_numbers = list(connection.scalars(sent))
        if not open_numbers:
            return 0
        members = self.numbering.batch(change).in_(sent)
        doubtful = sa.select(
            sa.literal(self.sync),
            change.c.identifier,
            sa.literal(Status.RETRY.value),
            sa.literal(Recheck.NEXT_SYNC.value),
        ).where(members)
        names = ["sync", "identifier", "status", "recheck"]
        opened = connection.execute(outcome.insert().from_select(names, doubtful)).rowcount
        self._log_uncertain(connection, members)
        self.close(connection, open_numbers)
        return int(opened)

    @property
    def _largest(self) -> int:
        return max(self.numbering.sizes.values()) - 1

    def _log_uncertain(self, connection: Connection, members: sa.ColumnElement[bool]) -> None:
        change, log = self.tables.change, self.state.consent_log
        wrote = sa.case((change.c.operation == "remove", "unsubscribed"), else_="subscribed")
        for channel in self.tables.channels:
            values: dict[str, Any] = {
                "sync": sa.literal(self.sync),
                "activation": sa.literal(self.activation),
                "destination": sa.literal(self.destination),
                "identifier": change.c.identifier,
                "user_key": sa.cast(change.c.user_key, sa.String),
                "channel": sa.literal(channel),
                "status": wrote,
                "basis": sa.literal(INTERRUPTED),
                "changed": sa.false(),
                "certain": sa.false(),
                "logged_at": sa.literal(self.now(), log.c.logged_at.type),
            }
            query = sa.select(*values.values()).where(members, change.c.operation.in_([str(o) for o in DELIVERED]))
            connection.execute(log.insert().from_select(list(values), query))


def _says_something(outcome: Outcome) -> bool:
    plain = outcome.status is Status.ACCEPTED and outcome.vendor_id is None
    return not plain or bool(outcome.issues or outcome.consents)


def _recheck(outcome: Outcome) -> str | None:
    """A member is due as soon as one of its issues is."""
    rechecks = {issue.recheck for issue in outcome.issues}
    if outcome.status in (Status.RETRY, Status.ABSENT) or Recheck.NEXT_SYNC in rechecks:
        return Recheck.NEXT_SYNC.value
    return Recheck.WHEN_CHANGED.value if rechecks else None


def _issue_row(identifier: str, issue: Issue) -> list[Any]:
    return [identifier, issue.channel, issue.reason, issue.detail, issue.recheck.value]


def _consent_row(identifier: str, user_key: str | None, write: ConsentWrite) -> list[Any]:
    return [
        identifier,
        user_key,
        write.channel,
        write.address,
        write.status,
        write.basis,
        write.consented_at,
        write.changed and write.certain,
        write.certain,
        write.request_id,
    ]

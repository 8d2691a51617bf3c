"""Folding acknowledged batches into the ledger, set-based, at the end of a sync or, after a crash, before the next."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.destinations.base import Operation, Recheck, Status
from audience_assets.sync.acknowledge import DONE
from audience_assets.sync.diff import ABSENT, IN_DOUBT, MEMBER, REJECTED
from audience_assets.sync.numbers import DROP, LEDGER_ONLY, RELINK, Numbering
from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.state import ListTables, State

ENTERING = (Operation.ADD.value, Operation.UPDATE.value, RELINK)


def merge(
    connection: Connection, state: State, tables: ListTables, sync: str, activation: str, numbering: Numbering
) -> dict[tuple[str, str], int]:
    """Take every answered batch of `sync` into the ledger and clear the plan.

    Returns how many members each (operation, status) has. Runs in the caller's transaction.
    """
    answers = _answers(state, tables, sync, numbering)
    counted = sa.select(answers.c.operation, answers.c.answer, sa.func.count()).group_by(
        answers.c.operation, answers.c.answer
    )
    counts = {(str(row[0]), str(row[1])): int(row[2]) for row in connection.execute(counted)}
    if connection.scalar(sa.select(sa.exists().select_from(tables.ledger))):
        _update_known(connection, tables, answers)
        _remove_gone(connection, tables, answers)
    _insert_new(connection, tables, answers)
    _settle_rejections(connection, state, answers, sync, activation)
    connection.execute(state.outcome.delete().where(state.outcome.c.sync == sync))
    connection.execute(tables.change.delete())
    return counts


def _answers(state: State, tables: ListTables, sync: str, numbering: Numbering) -> sa.Subquery:
    change, batch, outcome = tables.change, state.batch, state.outcome
    answered = (batch.c.sync == sync) & (batch.c.number == numbering.batch(change)) & (batch.c.status == DONE)
    said = (outcome.c.sync == sync) & (outcome.c.identifier == change.c.identifier)
    return (
        sa.select(
            change.c.operation,
            change.c.user_key,
            change.c.identifier,
            sa.func.coalesce(outcome.c.status, Status.ACCEPTED.value).label("answer"),
            sa.func.coalesce(outcome.c.vendor_id, change.c.vendor_id).label("vendor_id"),
            outcome.c.recheck,
            batch.c.answered_at,
            *(change.c[column.column] for column in tables.columns),
        )
        .select_from(change.outerjoin(batch, answered).outerjoin(outcome, said))
        .where(batch.c.number.is_not(None) | change.c.operation.in_(LEDGER_ONLY))
        .subquery("answers")
    )


def _status(answers: sa.FromClause, present: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """A member's standing after an answer. A refused update leaves the member in the list."""
    return sa.case(
        (answers.c.operation == RELINK, present),
        (answers.c.answer == Status.ACCEPTED.value, MEMBER),
        (answers.c.answer == Status.ABSENT.value, ABSENT),
        (answers.c.operation == Operation.UPDATE.value, MEMBER),
        (answers.c.answer == Status.REJECTED.value, REJECTED),
        else_=IN_DOUBT,
    )


def _due(answers: sa.FromClause) -> sa.ColumnElement[int]:
    return sa.case((answers.c.recheck == Recheck.NEXT_SYNC.value, 1), else_=0)


def _update_known(connection: Connection, tables: ListTables, answers: sa.Subquery) -> None:
    ledger = tables.ledger
    values: dict[str, Any] = {column.column: answers.c[column.column] for column in tables.columns}
    same = ledger.c.identifier == answers.c.identifier
    relinked = answers.c.operation == RELINK
    # An update without an answer keeps what was acknowledged, so that the next diff sees it again.
    open_update = (answers.c.operation == Operation.UPDATE.value) & (answers.c.answer == Status.RETRY.value)
    connection.execute(
        ledger.update()
        .where(same, answers.c.operation.in_(ENTERING), ~open_update)
        .values(
            **values,
            user_key=answers.c.user_key,
            vendor_id=answers.c.vendor_id,
            status=_status(answers, ledger.c.status),
            recheck=sa.case((relinked, ledger.c.recheck), else_=answers.c.recheck),
            due=sa.case((relinked, ledger.c.due), else_=_due(answers)),
            synced_at=sa.case((relinked, ledger.c.synced_at), else_=answers.c.answered_at),
        )
    )
    connection.execute(ledger.update().where(same, open_update).values(recheck=Recheck.NEXT_SYNC.value, due=1))
    open_removal = (answers.c.operation == Operation.REMOVE.value) & (answers.c.answer == Status.RETRY.value)
    connection.execute(ledger.update().where(same, open_removal).values(status=IN_DOUBT, due=1))


def _remove_gone(connection: Connection, tables: ListTables, answers: sa.Subquery) -> None:
    removed = (answers.c.operation == Operation.REMOVE.value) & answers.c.answer.in_(
        (Status.ACCEPTED.value, Status.ABSENT.value)
    )
    gone = sa.select(answers.c.identifier).where(removed | (answers.c.operation == DROP))
    connection.execute(tables.ledger.delete().where(tables.ledger.c.identifier.in_(gone)))


def _insert_new(connection: Connection, tables: ListTables, answers: sa.Subquery) -> None:
    ledger = tables.ledger
    columns = [column.column for column in tables.columns]
    query = sa.select(
        answers.c.user_key,
        answers.c.identifier,
        answers.c.vendor_id,
        _status(answers, sa.literal(MEMBER)),
        answers.c.recheck,
        _due(answers),
        sa.type_coerce(answers.c.answered_at, UtcDateTime()),
        answers.c.answered_at,
        *(answers.c[column] for column in columns),
    ).where(
        answers.c.operation == Operation.ADD.value,
        ~sa.exists().where(ledger.c.identifier == answers.c.identifier),
    )
    names = ["user_key", "identifier", "vendor_id", "status", "recheck", "due", "since", "synced_at", *columns]
    connection.execute(ledger.insert().from_select(names, query))


def _settle_rejections(connection: Connection, state: State, answers: sa.Subquery, sync: str, activation: str) -> None:
    """Carry first_seen and the number of attempts over from the last refusal, then drop what is decided anew."""
    new = state.rejection
    old = state.rejection.alias("earlier")
    earlier = (old.c.activation == activation) & (old.c.sync != sync)
    if not connection.scalar(sa.select(sa.exists().where(earlier))):
        return
    same = (old.c.identifier == new.c.identifier) & (old.c.reason == new.c.reason)
    same &= old.c.channel.is_not_distinct_from(new.c.channel)
    connection.execute(
        new.update()
        .where(new.c.activation == activation, new.c.sync == sync, earlier, same)
        .values(attempts=old.c.attempts + 1, first_seen=old.c.first_seen)
    )
    decided = sa.select(answers.c.identifier).where(answers.c.operation != RELINK)
    connection.execute(
        new.delete().where(new.c.activation == activation, new.c.sync != sync, new.c.identifier.in_(decided))
    )

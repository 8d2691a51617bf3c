"""Folding acknowledged batches into the ledger, set-based, at the end of a sync or, after a crash, before the next."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.destinations.base import Operation, Recheck, Status
from audience_assets.sync.acknowledge import DONE, Journal
from audience_assets.sync.diff import ABSENT, IN_DOUBT, MEMBER, REENTERING, REJECTED, UNSURE
from audience_assets.sync.numbers import DROP, LEDGER_ONLY, RELINK
from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.state import ListTables

ENTERING = (Operation.ADD.value, Operation.UPDATE.value, RELINK)
UNDECIDED = (Status.RETRY.value, Status.REENTERS.value)


def merge(connection: Connection, journal: Journal) -> dict[tuple[str, str], int]:
    """Take every answered batch of the journal's sync into the ledger and clear the plan.

    Returns how many members each (operation, status) has. Runs in the caller's transaction.
    """
    state, tables = journal.state, journal.tables
    is_first = not connection.scalar(sa.select(sa.exists().select_from(tables.ledger)))
    answers = _answers(journal, every=not is_first)
    kinds = (answers.c.operation, answers.c.answer)
    rows = connection.execute(sa.select(*kinds, sa.func.count()).group_by(*kinds))
    counts = {(str(row[0]), str(row[1])): int(row[2]) for row in rows}
    if is_first:
        _insert_new(connection, tables, answers)
    else:
        _update_known(connection, tables, answers)
        _leave_open(connection, tables, answers, counts)
        _remove_gone(connection, tables, answers)
        _insert_new(connection, tables, answers, ~sa.exists().where(tables.ledger.c.identifier == answers.c.identifier))
    _settle_rejections(connection, journal, answers)
    connection.execute(state.outcome.delete().where(state.outcome.c.sync == journal.sync))
    connection.execute(tables.change.delete())
    return counts


def _answers(journal: Journal, *, every: bool) -> sa.Subquery:
    """A row for each change that was answered, with what the vendor said; with `every` the ledger's own ones, too."""
    change, batch, outcome = journal.tables.change, journal.state.batch, journal.state.outcome
    answered = (batch.c.sync == journal.sync) & (batch.c.number == journal.numbering.batch(change))
    answered &= batch.c.status == DONE
    said = (outcome.c.sync == journal.sync) & (outcome.c.identifier == change.c.identifier)
    return (
        sa.select(
            change.c.operation,
            change.c.user_key,
            change.c.identifier,
            sa.func.coalesce(outcome.c.status, Status.ACCEPTED.value).label("answer"),
            sa.func.coalesce(outcome.c.vendor_id, change.c.vendor_id).label("vendor_id"),
            outcome.c.recheck,
            batch.c.answered_at,
            *(change.c[column.column] for column in journal.tables.columns),
        )
        .select_from(change.join(batch, answered, isouter=every).outerjoin(outcome, said))
        .where(batch.c.number.is_not(None) | change.c.operation.in_(LEDGER_ONLY) if every else sa.true())
        .subquery("answers")
    )


def _status(answers: sa.FromClause, present: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """A member's standing after an answer. A refused update leaves the member in the list.

    Whoever may be in the list since an answer was lost still may be when a later try is refused.
    """
    return sa.case(
        (answers.c.operation == RELINK, present),
        (answers.c.answer == Status.ACCEPTED.value, MEMBER),
        (answers.c.answer == Status.ABSENT.value, ABSENT),
        (answers.c.operation == Operation.UPDATE.value, MEMBER),
        ((answers.c.answer == Status.REJECTED.value) & present.in_((IN_DOUBT, UNSURE)), UNSURE),
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
    # An update that isn't decided keeps what was acknowledged, so that the next diff sees it again.
    open_update = (answers.c.operation == Operation.UPDATE.value) & answers.c.answer.in_(UNDECIDED)
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


def _leave_open(
    connection: Connection, tables: ListTables, answers: sa.Subquery, counts: dict[tuple[str, str], int]
) -> None:
    """Members whose update or removal is not decided are looked at by the next plan."""
    ledger = tables.ledger
    in_doubt = sa.case((ledger.c.recheck == REENTERING, ledger.c.status), else_=IN_DOUBT)
    marks: dict[tuple[str, str], dict[str, Any]] = {
        (Operation.UPDATE.value, Status.RETRY.value): {"recheck": Recheck.NEXT_SYNC.value},
        (Operation.UPDATE.value, Status.REENTERS.value): {"recheck": REENTERING},
        (Operation.REMOVE.value, Status.RETRY.value): {"status": in_doubt, "vendor_id": answers.c.vendor_id},
    }
    for (operation, answer), mark in marks.items():
        # A statement that finds nobody would still read the ledger.
        if counts.get((operation, answer)):
            is_open = (answers.c.operation == operation) & (answers.c.answer == answer)
            theirs = (ledger.c.identifier == answers.c.identifier) & is_open
            connection.execute(ledger.update().where(theirs).values(due=1, **mark))


def _remove_gone(connection: Connection, tables: ListTables, answers: sa.Subquery) -> None:
    removed = (answers.c.operation == Operation.REMOVE.value) & answers.c.answer.in_(
        (Status.ACCEPTED.value, Status.ABSENT.value, Status.KEPT.value)
    )
    ledger = tables.ledger
    gone = ledger.c.identifier.in_(sa.select(answers.c.identifier).where(removed | (answers.c.operation == DROP)))
    connection.execute(ledger.delete().where(gone, ledger.c.recheck.is_distinct_from(REENTERING)))
    # Whoever left only to enter again stays due, and the sync says that it isn't finished.
    again = {"status": REENTERING, "recheck": Recheck.NEXT_SYNC.value}
    connection.execute(ledger.update().where(gone, ledger.c.recheck == REENTERING).values(**again))


def _insert_new(
    connection: Connection, tables: ListTables, answers: sa.Subquery, *only: sa.ColumnElement[bool]
) -> None:
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
    ).where(answers.c.operation == Operation.ADD.value, *only)
    names = ["user_key", "identifier", "vendor_id", "status", "recheck", "due", "since", "synced_at", *columns]
    connection.execute(tables.ledger.insert().from_select(names, query))


def _settle_rejections(connection: Connection, journal: Journal, answers: sa.Subquery) -> None:
    """Carry first_seen and the number of attempts over from the last refusal, then drop what is decided anew."""
    sync, activation = journal.sync, journal.activation
    new = journal.state.rejection
    old = new.alias("earlier")
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

"""What may be sent: the newest consent our side knows of each person about to be opted in.

Evidence belongs to an address, not to a row: when two users share one, the newest entry of either decides,
and of two entries at the same instant an opt-out wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.destinations.base import Operation
from audience_assets.project.activations import ConsentEvents, ConsentSettings
from audience_assets.warehouse.column_types import UtcDateTime

OPTED_IN = "opted_in"
OPTED_OUT = "opted_out"
SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
# Ranks are compared with `< SECOND`: `= 1` makes SQLite index the rank instead of the identifier it then joins on.
SECOND = 2
OPTED_IN_HERE = (Operation.ADD.value, Operation.UPDATE.value)
WRITTEN_HERE = (*OPTED_IN_HERE, Operation.REMOVE.value)


class EvidenceSource:
    """Where consent is found for one users model: columns of it, a consent events model, or both."""

    def __init__(
        self,
        settings: ConsentSettings,
        users: sa.FromClause,
        identifier: sa.ColumnElement[str],
        column: Callable[[str], sa.ColumnElement[Any]],
        events: sa.FromClause | None = None,
        event_join: sa.ColumnElement[bool] | None = None,
    ) -> None:
        self._settings = settings
        self._users = users
        self._identifier = identifier
        self._column = column
        self._events = events
        self._event_join = event_join

    def newest(self, channel: str, among: sa.Select[Any], event_time: str | None) -> sa.Subquery | None:
        """identifier, status, at: one row an identifier, of those in `among`; None if nothing is mapped."""
        parts: list[sa.Select[Any]] = []
        field = self._settings.consent_at.get(channel)
        if field:
            at = self._column(field)
            parts.append(
                sa.select(self._identifier.label("identifier"), sa.literal(OPTED_IN).label("status"), _instant(at))
                .select_from(self._users)
                .where(at.is_not(None), self._identifier.in_(among))
            )
        history = self._settings.history
        if history and self._events is not None and self._event_join is not None and event_time:
            parts.append(self._from_events(history, channel, among, event_time))
        if not parts:
            return None
        every = (sa.union_all(*parts) if len(parts) > 1 else parts[0]).subquery("every_consent")
        rank = sa.func.row_number().over(
            partition_by=every.c.identifier, order_by=[every.c.at.desc(), every.c.status.desc()]
        )
        ranked = sa.select(every.c.identifier, every.c.status, every.c.at, rank.label("rank")).subquery(
            "ranked_consent"
        )
        return (
            sa.select(ranked.c.identifier, ranked.c.status, ranked.c.at)
            .where(ranked.c.rank < SECOND)
            .subquery("newest")
        )

    def _from_events(
        self, history: ConsentEvents, channel: str, among: sa.Select[Any], event_time: str
    ) -> sa.Select[Any]:
        assert self._events is not None and self._event_join is not None  # noqa: S101
        events = self._events
        status = events.c[history.status]
        known = sa.case((status.in_(history.opted_in), OPTED_IN), (status.in_(history.opted_out), OPTED_OUT))
        at = events.c[event_time]
        return (
            sa.select(self._identifier.label("identifier"), known.label("status"), _instant(at))
            .select_from(self._users.join(events, self._event_join))
            .where(
                events.c[history.channel] == channel,
                status.in_([*history.opted_in, *history.opted_out]),
                at.is_not(None),
                self._identifier.in_(among),
            )
        )


def _instant(at: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.type_coerce(at, UtcDateTime()).label("at")


def fill_evidence(
    connection: Connection,
    change: sa.Table,
    source: EvidenceSource,
    channels: Sequence[str],
    event_time: str | None,
) -> None:
    """Write the newest consent of everybody about to be opted in into the change table."""
    among = sa.select(change.c.identifier).where(change.c.operation.in_(OPTED_IN_HERE))
    for channel in channels:
        newest = source.newest(channel, among, event_time)
        if newest is None:
            continue
        connection.execute(
            change.update()
            .where(change.c.identifier == newest.c.identifier, change.c.operation.in_(OPTED_IN_HERE))
            .values({f"{channel}_status": newest.c.status, f"{channel}_at": newest.c.at})
        )


def fill_own_opt_outs(
    connection: Connection, change: sa.Table, consent_log: sa.Table, destination: str, channels: Sequence[str]
) -> None:
    """Tell which present opt-outs are our own: our newest certain write of the channel opted the person out.

    Of those who leave, too: who leaves a second list is opted out by us already, and may still come back.
    """
    for channel in channels:
        ours = (
            (consent_log.c.destination == destination)
            & (consent_log.c.channel == channel)
            & consent_log.c.certain
            & consent_log.c.identifier.in_(sa.select(change.c.identifier))
        )
        # Of two writes at one instant the opt-in came last: an opt-out before it was part of a change of address.
        rank = sa.func.row_number().over(
            partition_by=consent_log.c.identifier,
            order_by=[consent_log.c.logged_at.desc(), consent_log.c.status.asc()],
        )
        columns = (
            consent_log.c.identifier,
            consent_log.c.status,
            consent_log.c.changed,
            consent_log.c.logged_at,
        )
        ranked = sa.select(*columns, rank.label("rank")).where(ours).subquery("own_writes")
        latest = (
            sa.select(ranked.c.identifier, ranked.c.logged_at)
            .where(ranked.c.rank < SECOND, ranked.c.status == UNSUBSCRIBED, ranked.c.changed)
            .subquery("own_opt_out")
        )
        connection.execute(
            change.update()
            .where(change.c.identifier == latest.c.identifier, change.c.operation.in_(WRITTEN_HERE))
            .values({f"{channel}_own": latest.c.logged_at})
        )


def reopen_refused(
    connection: Connection,
    ledger: sa.Table,
    rejections: sa.FromClause,
    source: EvidenceSource,
    channels: Sequence[str],
    event_time: str | None,
) -> None:
    """Make members due again who were refused with an older consent than is known now.

    `rejections` are the list's own. An event is loaded after it happened, often after the refusal, so what counts is
    not when the last attempt was but what was known to it.
    """
    refused = sa.select(ledger.c.identifier).where(ledger.c.recheck == "when_changed")
    if not connection.scalar(sa.select(sa.exists(refused))):
        return
    for channel in channels:
        newest = source.newest(channel, refused, event_time)
        if newest is None:
            continue
        known = rejections.c.consent_at
        same = (newest.c.identifier == rejections.c.identifier) & (rejections.c.channel == channel)
        outdated = sa.select(rejections.c.identifier).join_from(rejections, newest, same)
        outdated = outdated.where(known.is_(None) | (newest.c.at > known))
        connection.execute(
            ledger.update()
            .where(ledger.c.recheck == "when_changed", ledger.c.identifier.in_(outdated))
            .values(recheck="next_sync", due=1)
        )

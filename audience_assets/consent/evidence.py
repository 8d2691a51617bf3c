"""What may be sent: the newest consent our side knows of each person about to be opted in.

Evidence belongs to an address, not to a row: when two users share one, the newest entry of either decides, and of
two entries at the same instant an opt-out wins. An opt-out stands until there is a newer opt-in, whatever else comes.
One without a readable time stands, because nothing can be shown to be newer; an opt-in without one, or dated in
the future, outweighs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from audience_assets.destinations.base import Operation
from audience_assets.project.activations import ConsentEvents, ConsentSettings
from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.moments import spelled_alike

OPTED_IN = "opted_in"
OPTED_OUT = "opted_out"
# A status that the project gives no meaning. It takes an opt-in before it back, and never an opt-out.
UNCLEAR = "opted_neither"
SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
# Ranks are compared with `< SECOND`: `= 1` makes SQLite index the rank instead of the identifier it then joins on.
SECOND = 2
OPTED_IN_HERE = (Operation.ADD.value, Operation.UPDATE.value)
WRITTEN_HERE = (*OPTED_IN_HERE, Operation.REMOVE.value)

Column = sa.ColumnElement[Any]


@dataclass(frozen=True)
class Numbers:
    """Countries of phone numbers: of a user's, of a change row's, and of those whose country is not known."""

    of_user: Column
    of_row: Callable[[sa.FromClause], Column]
    default_region: str | None


@dataclass(frozen=True)
class ChannelAddress:
    """What a channel reaches people by, normalised: of a row of the users model, and of a ledger or change row.

    `numbers` where these are phone numbers, which have several spellings.
    """

    of_user: sa.ColumnElement[str]
    of_row: Callable[[sa.FromClause], sa.ColumnElement[str]]
    numbers: Numbers | None = None


@dataclass(frozen=True)
class EvidenceSource:
    """Where consent is found for one users model: columns of it, a consent events model, or both.

    `column` gives a field of the users model. Consents after `now` are yet to come. `events` are the rows that count;
    `counted` tells whether a user does, where the users model has a base filter: the others' opt-ins say nothing.
    """

    settings: ConsentSettings
    users: sa.FromClause
    addresses: Mapping[str, ChannelAddress]
    column: Callable[[str], Column]
    now: datetime
    events: sa.FromClause | None = None
    event_join: sa.ColumnElement[bool] | None = None
    counted: sa.ColumnElement[bool] | None = None

    def newest(self, channel: str, among: sa.Select[Any] | Sequence[str], event_time: str | None) -> sa.Subquery | None:
        """address, status, at: one row an address, of those in `among`; None if nothing is mapped.

        `status` is NULL where the newest entry says neither; `at` is NULL then, and of an undated opt-out.
        """
        parts: list[sa.Select[Any]] = []
        address = self.addresses[channel].of_user
        field = self.settings.consent_at.get(channel)
        if field:
            entry: tuple[Column, ...] = (
                address.label("address"),
                sa.cast(sa.literal(OPTED_IN), sa.String).label("status"),
                _instant(self.column(field)),
            )
            stamped: sa.Select[Any] = sa.select(*entry).select_from(self.users)
            parts.append(stamped.where(address.in_(among), self._counts))
        history = self.settings.history
        if history and event_time:
            parts.append(self._from_events(history, channel, address, event_time).where(address.in_(among)))
        if not parts:
            return None
        return self._decided((sa.union_all(*parts) if len(parts) > 1 else parts[0]).subquery("every_consent"))

    def who_opted_out(self, channel: str, region: Column) -> sa.Subquery:
        """address, region: of every user who ever did."""
        history = self.settings.history
        assert history is not None and self.events is not None  # noqa: S101
        address = self.addresses[channel].of_user
        said_no = _said(self.events.c[history.status], history.opted_out)
        query = sa.select(address.label("address"), region.label("region")).select_from(self._with_events)
        query = query.where(self._of_channel(history, channel), said_no, address.is_not(None))
        return query.distinct().subquery("who_opted_out")

    @property
    def _with_events(self) -> sa.FromClause:
        assert self.events is not None and self.event_join is not None  # noqa: S101
        return self.users.join(self.events, self.event_join)

    def _of_channel(self, history: ConsentEvents, channel: str) -> sa.ColumnElement[bool]:
        assert self.events is not None  # noqa: S101
        return word(self.events.c[history.channel]).in_(channel_words(history, channel))

    @property
    def _counts(self) -> sa.ColumnElement[bool]:
        return sa.true() if self.counted is None else self.counted

    def _decided(self, every: sa.Subquery) -> sa.Subquery:
        newest = self._newest_of_each_kind(every)
        opted_out = (newest.c.undated > 0) | (newest.c.out_at >= sa.func.coalesce(newest.c.in_at, newest.c.out_at))
        opted_in = newest.c.in_at > newest.c.unclear_at
        opted_in |= newest.c.unclear_at.is_(None) & newest.c.in_at.is_not(None)
        told = sa.func.coalesce(newest.c.out_at, newest.c.in_at, newest.c.unclear_at)
        to_come = told.is_(None) & newest.c.to_come_at.is_not(None)
        at = sa.case((opted_out, newest.c.out_at), (opted_in, newest.c.in_at), (to_come, newest.c.to_come_at))
        columns = (
            newest.c.address,
            sa.case((opted_out, OPTED_OUT), (opted_in | to_come, OPTED_IN)).label("status"),
            sa.type_coerce(sa.case((newest.c.undated == 0, at)), UtcDateTime()).label("at"),
        )
        return sa.select(*columns).subquery("newest")

    def _newest_of_each_kind(self, every: sa.Subquery) -> sa.Subquery:
        """A row an address: when it last said yes, no, and something else; and whether it said no without a time."""
        at, status = every.c.at, every.c.status
        yet_to_come = at > sa.literal(self.now, UtcDateTime())
        kinds = {
            "in_at": (status == OPTED_IN) & ~yet_to_come,
            "to_come_at": (status == OPTED_IN) & yet_to_come,
            "out_at": status == OPTED_OUT,
            "unclear_at": status == UNCLEAR,
        }
        undated = (status == OPTED_OUT) & at.is_(None)
        # An expression without a type is what SQLite makes no index of, and then it compares everybody with everybody.
        address = sa.cast(every.c.address, sa.String)
        return (
            sa.select(
                address.label("address"),
                *(sa.func.max(sa.case((kind, at))).label(name) for name, kind in kinds.items()),
                sa.func.max(sa.case((undated, 1), else_=0)).label("undated"),
            )
            .group_by(every.c.address)
            .subquery("newest_of_each_kind")
        )

    def _from_events(self, history: ConsentEvents, channel: str, address: Column, event_time: str) -> sa.Select[Any]:
        assert self.events is not None  # noqa: S101
        said = self.events.c[history.status]
        status = sa.case(
            (_said(said, history.opted_in), OPTED_IN), (_said(said, history.opted_out), OPTED_OUT), else_=UNCLEAR
        )
        entry = (address.label("address"), status.label("status"), _instant(self.events.c[event_time]))
        of_channel = sa.select(*entry).select_from(self._with_events).where(self._of_channel(history, channel))
        return of_channel if self.counted is None else of_channel.where((status != OPTED_IN) | self.counted)


def channel_words(history: ConsentEvents, channel: str) -> list[str]:
    """What the history calls a channel, as `word` spells it."""
    return [spelled(each) for each in history.channels.get(channel, [channel])]


def spelled(text: str) -> str:
    """A word of the settings as `word` spells those of the history."""
    return text.strip().lower()


def word(column: Column) -> Column:
    """A channel or a status whatever its capitals and blanks: no opt-out may be overlooked for them."""
    text = column if isinstance(column.type, sa.String) else sa.cast(column, sa.String)
    return sa.func.lower(sa.func.trim(text), type_=sa.String())


def _said(status: Column, words: Sequence[str]) -> sa.ColumnElement[bool]:
    return word(status).in_([spelled(each) for each in words])


def _instant(at: Column) -> Column:
    """Comparable in every warehouse: SQLite holds times as text in whatever spelling, and text that is no time."""
    return sa.type_coerce(_Dated(spelled_alike(at, "timestamp")), UtcDateTime()).label("at")


class _Dated(FunctionElement[Any]):
    """`(time)`: NULL where SQLite takes a small number for days since 4714 BC."""

    name = "dated"
    inherit_cache = True


@compiles(_Dated)
def _as_it_is(element: _Dated, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **kw)


@compiles(_Dated, "sqlite")
def _without_years_before_christ(element: _Dated, compiler: SQLCompiler, **kw: Any) -> str:
    return f"nullif(max({compiler.process(next(iter(element.clauses)), **kw)}, '0001'), '0001')"


def fill_evidence(
    connection: Connection,
    change: sa.Table,
    source: EvidenceSource,
    channels: Sequence[str],
    event_time: str | None,
) -> None:
    """Write the newest consent of everybody about to be opted in into the change table."""
    entering = change.c.operation.in_(OPTED_IN_HERE)
    for channel in channels:
        address = source.addresses[channel].of_row(change)
        newest = source.newest(channel, sa.select(address).where(entering, address.is_not(None)), event_time)
        if newest is None:
            continue
        connection.execute(
            change.update()
            .where(address == newest.c.address, entering)
            .values({f"{channel}_status": newest.c.status, f"{channel}_at": newest.c.at})
        )


def fill_own_opt_outs(
    connection: Connection, change: sa.Table, consent_log: sa.Table, destination: str, channels: Sequence[str]
) -> None:
    """Tell which present opt-outs are our own: our newest certain write of the channel opted the person out.

    Of those who leave, too: who leaves a second list is opted out by us already, and may still come back. Of them also
    what we last wrote: a vendor may be at work on that still.
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
            consent_log.c.address,
            consent_log.c.status,
            consent_log.c.changed,
            consent_log.c.logged_at,
        )
        ranked = sa.select(*columns, rank.label("rank")).where(ours).subquery("own_writes")
        latest = (
            sa.select(ranked.c.identifier, ranked.c.address, ranked.c.logged_at)
            .where(ranked.c.rank < SECOND, ranked.c.status == UNSUBSCRIBED, ranked.c.changed)
            .subquery("own_opt_out")
        )
        connection.execute(
            change.update()
            .where(change.c.identifier == latest.c.identifier, change.c.operation.in_(WRITTEN_HERE))
            .values({f"{channel}_own": latest.c.logged_at, f"{channel}_own_address": latest.c.address})
        )
        _fill_last_write(connection, change, consent_log, destination, channel)


def _fill_last_write(
    connection: Connection, change: sa.Table, consent_log: sa.Table, destination: str, channel: str
) -> None:
    """What we last wrote for those who leave, whether or not it is certain that it arrived."""
    leaving = change.c.operation == Operation.REMOVE.value
    rank = sa.func.row_number().over(
        partition_by=consent_log.c.identifier, order_by=[consent_log.c.logged_at.desc(), consent_log.c.status.asc()]
    )
    ranked = (
        sa.select(consent_log.c.identifier, consent_log.c.status, consent_log.c.logged_at, rank.label("rank"))
        .where(consent_log.c.destination == destination, consent_log.c.channel == channel)
        .where(consent_log.c.identifier.in_(sa.select(change.c.identifier).where(leaving)))
        .subquery("writes")
    )
    status = sa.case((ranked.c.status == SUBSCRIBED, OPTED_IN), else_=OPTED_OUT)
    last = sa.select(ranked.c.identifier, status.label("status"), ranked.c.logged_at)
    last_write = last.where(ranked.c.rank < SECOND).subquery("last_write")
    connection.execute(
        change.update()
        .where(change.c.identifier == last_write.c.identifier, leaving)
        .values({f"{channel}_status": last_write.c.status, f"{channel}_at": last_write.c.logged_at})
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
    waits = ledger.c.recheck == "when_changed"
    if not connection.scalar(sa.select(sa.exists(sa.select(ledger.c.identifier).where(waits)))):
        return
    refused = ledger.alias("refused")
    for channel in channels:
        address = source.addresses[channel].of_row(refused)
        among = sa.select(address).where(refused.c.recheck == "when_changed", address.is_not(None))
        newest = source.newest(channel, among, event_time)
        if newest is None:
            continue
        known = rejections.c.consent_at
        same = (refused.c.identifier == rejections.c.identifier) & (rejections.c.channel == channel)
        outdated = (
            sa.select(rejections.c.identifier)
            .select_from(sa.join(refused, rejections, same).join(newest, newest.c.address == address))
            .where(newest.c.at <= sa.literal(source.now, UtcDateTime()))
            .where(known.is_(None) | (newest.c.at > _instant(known)))
        )
        connection.execute(
            ledger.update().where(waits, ledger.c.identifier.in_(outdated)).values(recheck="next_sync", due=1)
        )

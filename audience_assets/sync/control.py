"""A campaign's controls are not sent under another name: whoever has an address of theirs is left out as well.

Its own control and whom the universal holdout keeps from it alike. Every identifier that is mapped is an address, not
only the one a list knows people by: a number beside the e-mail address is sent too, and reaches whom it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.store import temporary_table
from audience_assets.consent.spellings import TAIL, tail
from audience_assets.destinations.identifiers import same_number
from audience_assets.project.project import Project
from audience_assets.sync.desired import PHONE, Desired, normalise
from audience_assets.warehouse.functions import TextPosition
from audience_assets.warehouse.json_rows import encode_rows, json_rows
from audience_assets.warehouse.state import State

# Rows read and written at a time.
PART = 1_000
Number = tuple[str, str | None]  # as it is spelled, and its country
# Why people must not be reached, in words after "somebody" -> their keys, as `user_key`.
Protected = Mapping[str, sa.Select[Any]]


def protected_of(project: Project, state: State, audience: str) -> Protected:
    """Whom no list of a campaign may reach, if the audience is a treatment group of one; nobody for a segment."""
    group = project.audience(audience)
    if group.campaign is None:
        return {}
    key_type = project.models[group.model].key_type
    recipient, held_out = state.recipient(group.campaign, key_type), state.held_out(group.campaign, key_type)
    return {
        "in control": sa.select(recipient.c.user_key).where(recipient.c.is_control).distinct(),
        "held out": sa.select(held_out.c.user_key).where(held_out.c.left_at.is_(None)).distinct(),
    }


@contextmanager
def without_protected(connection: Connection, desired: Desired, protected: Protected) -> Iterator[Desired]:
    """The desired state without members who share an address with somebody protected; mostly there are none.

    `barred` of it tells how many they are, by the first kind of address that they share. It is good while the context
    is open, in the caller's transaction.
    """
    if not protected:
        yield desired
        return
    tables = _Tables.made(connection, desired, protected)
    held = replace(desired, members=tables.held)
    for place, (kind, column) in enumerate(desired.addresses):
        first = place * len(protected)
        if kind == PHONE:
            _bar_numbers(connection, desired, held, column, first, tables.barred)
        else:
            _bar_equal(connection, desired, held, (kind, column), first, tables.barred)
    found = _counted(connection, desired, list(protected), tables.barred)
    if found:
        members = desired.members
        others = members.c.user_key.not_in(sa.select(tables.barred.c.user_key))
        kept = sa.select(members.c.user_key).where(others).subquery("members")
        desired = replace(desired, members=kept, barred=found)
    yield desired
    tables.drop(connection)


@dataclass(frozen=True)
class _Tables:
    """`held`: the protected, and `why`, a number. `barred`: members, and the number of a reason for each address."""

    held: sa.Table
    barred: sa.Table

    @classmethod
    def made(cls, connection: Connection, desired: Desired, protected: Protected) -> Self:
        held, barred = (
            temporary_table(
                what,
                sa.Column("user_key", desired.members.c.user_key.type, nullable=False),
                sa.Column(number, sa.Integer, nullable=False),
            )
            for what, number in (("held", "why"), ("barred", "reason"))
        )
        held.create(connection, checkfirst=False)
        barred.create(connection, checkfirst=False)
        for why, keys in enumerate(protected.values()):
            theirs = keys.subquery("theirs")
            rows = sa.select(theirs.c.user_key, sa.literal(why, sa.Integer()).label("why"))
            connection.execute(sa.insert(held).from_select(["user_key", "why"], rows))
        return cls(held, barred)

    def drop(self, connection: Connection) -> None:
        self.held.drop(connection)
        self.barred.drop(connection)


def _counted(connection: Connection, desired: Desired, whys: Sequence[str], barred: sa.Table) -> dict[str, int]:
    first = sa.select(barred.c.user_key, sa.func.min(barred.c.reason).label("reason")).group_by(barred.c.user_key)
    reason = first.subquery("first").c.reason
    counted = sa.select(reason, sa.func.count().label("people")).group_by(reason).order_by(reason)
    found: dict[str, int] = {}
    for row in connection.execute(counted):
        place, why = divmod(row.reason, len(whys))
        found[f"the {desired.addresses[place][0]} of somebody {whys[why]}"] = row.people
    return found


def _bar_equal(
    connection: Connection, desired: Desired, held: Desired, address: tuple[str, str], first: int, barred: sa.Table
) -> None:
    """By one spelling for one address. An e-mail address without an @ is none: a mark that many people have."""
    # Looked up by an index: of grouped rows SQLite makes none by itself.
    indexed = connection.dialect.name == "sqlite"
    known = temporary_table(
        "known", sa.Column("address", sa.String, primary_key=indexed), sa.Column("why", sa.Integer, nullable=False)
    )
    known.create(connection, checkfirst=False)
    theirs = _addresses(held, *address, held.members.c.why).subquery("theirs")
    rows = sa.select(theirs.c.address, sa.func.min(theirs.c.why).label("why")).group_by(theirs.c.address)
    if address[0] == "email":
        rows = rows.where(TextPosition(theirs.c.address, sa.literal("@", sa.String())) > 0)
    rows = rows.where(theirs.c.address.is_not(None))
    connection.execute(sa.insert(known).from_select(["address", "why"], rows))
    ours = _addresses(desired, *address).subquery("ours")
    shared = sa.select(ours.c.user_key, (first + known.c.why).label("reason")).distinct()
    shared = shared.join_from(ours, known, known.c.address == ours.c.address)
    connection.execute(sa.insert(barred).from_select(["user_key", "reason"], shared))
    known.drop(connection)


def _addresses(desired: Desired, kind: str, column: str, *others: sa.ColumnElement[Any]) -> sa.Select[Any]:
    address = normalise(kind, desired.values[column]).label("address")
    joined = desired.joined_for([column, *([desired.region] if kind == PHONE and desired.region else [])])
    return sa.select(desired.members.c.user_key, address, *others).select_from(joined)


def _bar_numbers(
    connection: Connection, desired: Desired, held: Desired, column: str, first: int, barred: sa.Table
) -> None:
    """Numbers that end alike, few, are compared in Python, which knows the spellings of every country."""
    alike = temporary_table(
        "alike",
        sa.Column("user_key", desired.members.c.user_key.type, nullable=False),
        *(sa.Column(name, sa.String) for name in ("own", "own_region", "other", "other_region")),
        sa.Column("why", sa.Integer, nullable=False),
    )
    alike.create(connection, checkfirst=False)
    if connection.dialect.name == "sqlite":
        sa.Index(f"{alike.name}_own", alike.c.own).create(connection)
    theirs = _numbers(held, column, "cte_theirs", held.members.c.why)
    found = _ending_alike(_numbers(desired, column, "cte_ours"), theirs)
    connection.execute(sa.insert(alike).from_select([each.name for each in alike.columns], found))
    c, reasons = alike.c, dict[Number, int]()
    pairs = sa.select(c.own, c.own_region, c.other, c.other_region, c.why).distinct()
    for rows in connection.execute(pairs).partitions(PART):
        for row in rows:
            own, reason = (row.own, row.own_region), first + row.why
            if reason < reasons.get(own, reason + 1) and same_number(
                own, (row.other, row.other_region), desired.default_region
            ):
                reasons[own] = reason
    _bar_those(connection, alike, reasons, barred)
    alike.drop(connection)


def _ending_alike(ours: sa.CTE, theirs: sa.CTE) -> sa.Select[Any]:
    # Of two whole numbers of one length, each is the number it is written as.
    whole = sa.and_(*(sa.func.substr(each.c.address, 1, 1) == "+" for each in (ours, theirs)))
    apart = sa.and_(whole, sa.func.length(ours.c.address) == sa.func.length(theirs.c.address))
    maybe = sa.or_(ours.c.address == theirs.c.address, sa.not_(apart))
    columns = (ours.c.user_key, ours.c.address, ours.c.region, theirs.c.address, theirs.c.region, theirs.c.why)
    pairs = sa.select(*(column.label(f"c{at}") for at, column in enumerate(columns)))
    return pairs.join_from(ours, theirs, ours.c.ending == theirs.c.ending).where(maybe)


def _numbers(desired: Desired, column: str, name: str, *others: sa.ColumnElement[Any]) -> sa.CTE:
    """Members with a number, its country and its last digits."""
    region = sa.cast(desired.values[desired.region] if desired.region else sa.null(), sa.String).label("region")
    made = _made_once(_addresses(desired, PHONE, column, region, *others), name)
    ending = tail(made.c.address).label("ending")
    rows = sa.select(*made.c, ending).where(sa.func.length(made.c.address) >= TAIL)
    return _made_once(rows, f"{name}_ending")


def _made_once(rows: sa.Select[Any], name: str) -> sa.CTE:
    """What is asked of its columns is not worked out anew wherever they are named, and SQLite can index them."""
    found = rows.cte(name)
    for dialect in ("sqlite", "postgresql"):
        found = found.prefix_with("MATERIALIZED", dialect=dialect)
    return found


def _bar_those(connection: Connection, alike: sa.Table, reasons: Mapping[Number, int], barred: sa.Table) -> None:
    kinds: dict[str, sa.types.TypeEngine[Any]] = {"own": sa.String(), "own_region": sa.String()}
    numbers = json_rows("numbers", {**kinds, "reason": sa.Integer()})
    same_region = numbers.c.own_region.is_not_distinct_from(alike.c.own_region)
    same = sa.and_(numbers.c.own == alike.c.own, same_region)
    found = sa.select(alike.c.user_key, numbers.c.reason).join_from(alike, numbers, same)
    statement = sa.insert(barred).from_select(["user_key", "reason"], found.distinct())
    rows = [(*number, reason) for number, reason in reasons.items()]
    for start in range(0, len(rows), PART):
        connection.execute(statement, {"numbers": encode_rows(rows[start : start + PART])})

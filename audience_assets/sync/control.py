"""A campaign's control is not sent under another name: whoever has an address of theirs is left out as well.

Every identifier that is mapped is an address, not only the one a list knows people by: a number beside the e-mail
address is sent too, and reaches whom it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.store import temporary_table
from audience_assets.consent.spellings import TAIL, tail
from audience_assets.destinations.identifiers import normal_phone
from audience_assets.project.project import Project
from audience_assets.sync.desired import PHONE, Desired, normalise
from audience_assets.warehouse.functions import TextPosition
from audience_assets.warehouse.json_rows import encode_rows, json_rows
from audience_assets.warehouse.state import State

# Rows read and written at a time.
PART = 1_000
Number = tuple[str, str | None]  # as it is spelled, and its country


def control_of(project: Project, state: State, audience: str) -> sa.Select[Any] | None:
    """The keys, as `user_key`, of a treatment group's present control; None for a segment."""
    group = project.audience(audience)
    if group.campaign is None:
        return None
    recipient = state.recipient(group.campaign, project.models[group.model].key_type)
    return sa.select(recipient.c.user_key).where(recipient.c.is_control).distinct()


@contextmanager
def without_control(connection: Connection, desired: Desired, control: sa.Select[Any] | None) -> Iterator[Desired]:
    """The desired state without members who share an address with somebody in `control`; mostly there are none.

    `barred` of it tells how many they are, by the first kind of address that they share. It is good while the context
    is open, in the caller's transaction.
    """
    if control is None:
        yield desired
        return
    members = desired.members
    barred = temporary_table(
        "barred", sa.Column("user_key", members.c.user_key.type, nullable=False), sa.Column("place", sa.Integer)
    )
    barred.create(connection, checkfirst=False)
    held = replace(desired, members=control.subquery("control"))
    for place, (kind, column) in enumerate(desired.addresses):
        if kind == PHONE:
            _bar_numbers(connection, desired, held, column, place, barred)
        else:
            _bar_equal(connection, desired, held, (kind, column), place, barred)
    found = _counted(connection, desired, barred)
    if found:
        others = members.c.user_key.not_in(sa.select(barred.c.user_key))
        kept = sa.select(members.c.user_key).where(others).subquery("members")
        desired = replace(desired, members=kept, barred=found)
    yield desired
    barred.drop(connection)


def _counted(connection: Connection, desired: Desired, barred: sa.Table) -> dict[str, int]:
    first = sa.select(barred.c.user_key, sa.func.min(barred.c.place).label("place")).group_by(barred.c.user_key)
    place = first.subquery("first").c.place
    counted = sa.select(place, sa.func.count().label("people")).group_by(place).order_by(place)
    return {desired.addresses[row.place][0]: row.people for row in connection.execute(counted)}


def _bar_equal(
    connection: Connection, desired: Desired, held: Desired, address: tuple[str, str], place: int, barred: sa.Table
) -> None:
    """By one spelling for one address. An e-mail address without an @ is none: a mark that many people have."""
    ours, theirs = (_addresses(each, *address).subquery(name) for each, name in ((desired, "ours"), (held, "theirs")))
    known = sa.select(theirs.c.address).distinct().subquery("known")
    shared = sa.select(ours.c.user_key, sa.literal(place, sa.Integer()).label("place")).distinct()
    shared = shared.join_from(ours, known, known.c.address == ours.c.address)
    if address[0] == "email":
        shared = shared.where(TextPosition(known.c.address, sa.literal("@", sa.String())) > 0)
    connection.execute(sa.insert(barred).from_select(["user_key", "place"], shared))


def _addresses(desired: Desired, kind: str, column: str, *others: sa.ColumnElement[Any]) -> sa.Select[Any]:
    address = normalise(kind, desired.values[column]).label("address")
    joined = desired.joined_for([column, *([desired.region] if others and desired.region else [])])
    return sa.select(desired.members.c.user_key, address, *others).select_from(joined)


def _bar_numbers(
    connection: Connection, desired: Desired, held: Desired, column: str, place: int, barred: sa.Table
) -> None:
    """Numbers that end alike, few, are compared in Python, which knows the spellings of every country."""
    alike = temporary_table(
        "alike",
        sa.Column("user_key", desired.members.c.user_key.type, nullable=False),
        *(sa.Column(name, sa.String) for name in ("own", "own_region", "other", "other_region")),
    )
    alike.create(connection, checkfirst=False)
    found = _ending_alike(_numbers(desired, column, "cte_ours"), _numbers(held, column, "cte_theirs"))
    connection.execute(sa.insert(alike).from_select([each.name for each in alike.columns], found))
    c, shared = alike.c, set[Number]()
    pairs = sa.select(c.own, c.own_region, c.other, c.other_region).distinct()
    for rows in connection.execute(pairs).partitions(PART):
        shared.update((row.own, row.own_region) for row in rows if _same_number(row, desired.default_region))
    _bar_those(connection, alike, sorted(shared, key=repr), place, barred)
    alike.drop(connection)


def _ending_alike(ours: sa.CTE, theirs: sa.CTE) -> sa.Select[Any]:
    # Of two whole numbers of one length, each is the number it is written as.
    whole = sa.and_(*(sa.func.substr(each.c.address, 1, 1) == "+" for each in (ours, theirs)))
    apart = sa.and_(whole, sa.func.length(ours.c.address) == sa.func.length(theirs.c.address))
    maybe = sa.or_(ours.c.address == theirs.c.address, sa.not_(apart))
    columns = (ours.c.user_key, ours.c.address, ours.c.region, theirs.c.address, theirs.c.region)
    pairs = sa.select(*(column.label(f"c{at}") for at, column in enumerate(columns)))
    return pairs.join_from(ours, theirs, ours.c.ending == theirs.c.ending).where(maybe)


def _numbers(desired: Desired, column: str, name: str) -> sa.CTE:
    """Members with a number, its country and its last digits."""
    region = sa.cast(desired.values[desired.region] if desired.region else sa.null(), sa.String).label("region")
    c = _made_once(_addresses(desired, PHONE, column, region), name).c
    ending = tail(c.address).label("ending")
    rows = sa.select(c.user_key, c.address, c.region, ending).where(sa.func.length(c.address) >= TAIL)
    return _made_once(rows, f"{name}_ending")


def _made_once(rows: sa.Select[Any], name: str) -> sa.CTE:
    """What is asked of its columns is not worked out anew wherever they are named, and SQLite can index them."""
    found = rows.cte(name)
    for dialect in ("sqlite", "postgresql"):
        found = found.prefix_with("MATERIALIZED", dialect=dialect)
    return found


def _same_number(row: Any, default_region: str | None) -> bool:
    own = normal_phone(row.own, row.own_region or default_region)
    return isinstance(own, str) and own == normal_phone(row.other, row.other_region or default_region)


def _bar_those(connection: Connection, alike: sa.Table, shared: Sequence[Number], place: int, barred: sa.Table) -> None:
    numbers = json_rows("numbers", {"own": sa.String(), "own_region": sa.String()})
    same_region = numbers.c.own_region.is_not_distinct_from(alike.c.own_region)
    same = sa.and_(numbers.c.own == alike.c.own, same_region)
    found = sa.select(alike.c.user_key, sa.literal(place, sa.Integer()).label("place")).join_from(alike, numbers, same)
    statement = sa.insert(barred).from_select(["user_key", "place"], found.distinct())
    for start in range(0, len(shared), PART):
        connection.execute(statement, {"numbers": encode_rows(shared[start : start + PART])})

"""Forgetting a person: look everywhere, refuse while a list holds them, delete in one transaction, leave a proof.

Every list's lease is held meanwhile: a sync under way could write the person down again. What the erasure loses of
consent makes the next sync more careful, never less: without the log an opt-out that we wrote counts as the person's
own, and what the vendor holds is read before anybody is subscribed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.missing import explain_missing
from audience_assets.destinations.base import Operation, Recheck, Status
from audience_assets.errors import AudienceError
from audience_assets.forgetting.places import SEGMENT, UPLOADED, Place, RegisteredList, places, registered_lists
from audience_assets.forgetting.proof import write_proof
from audience_assets.forgetting.search import Person, find_person, user_sources
from audience_assets.forgetting.subject import Subject
from audience_assets.runtime import Runtime
from audience_assets.sync.diff import IN_DOUBT, MAY_BE_LISTED
from audience_assets.sync.lease import hold_lease
from audience_assets.sync.recovery import UNFINISHED
from audience_assets.warehouse.state import State


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that holds the person, as far as the ledger knows, or may hold them (`in_doubt`, `unsure`).

    `kept` is of a leaver whom no sync could take off.
    """

    activation: str
    list_name: str
    url: str | None
    status: str


@dataclass(frozen=True)
class Erasure:
    """What is held of a person, or was until now: rows by table.

    `users` are rows of the warehouse's own users models, by model; those are not ours to delete. `segments` are the
    project's segments that hold the person now, `uploaded` the uploaded lists: their files are not ours either.
    """

    rows: Mapping[str, int]
    listed: list[Listed]
    users: Mapping[str, int]
    segments: list[str]
    uploaded: list[str]
    erased: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """Rows of one table that are about the person."""

    place: Place
    where: sa.ColumnElement[bool]
    rows: int


class StillListed(AudienceError):
    """Nothing was erased: a list still holds the person."""

    def __init__(self, found: Erasure) -> None:
        self.found = found
        names = [each.activation for each in found.listed]
        synced = [each.activation for each in found.listed if each.status != Status.KEPT]
        advice = (
            "Without our ledger nobody would take them off there. Delete them from the warehouse, or from the segment, "
            f"and deliver: audience-assets sync {' '.join(synced)}. Then forget them."
            if synced
            else "They left, but nothing of ours can take them off there: do that by hand at the vendor."
        )
        super().__init__(
            f"Nothing was erased: the person is still in {', '.join(names)}, as far as we know. {advice} To erase all "
            "the same, and take them off the list yourself: --even-if-listed"
        )


def forget(runtime: Runtime, subject: Subject, *, erase: bool = False, even_if_listed: bool = False) -> Erasure:
    """What we hold of a person; with `erase` it is deleted, with a proof if there was anything.

    Raises StillListed, unless `even_if_listed`, and SyncBusy while a sync of any list runs.
    """
    with explain_missing(runtime.engine, runtime.project), ExitStack() as leased:
        if not erase:
            with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
                return _find(connection, runtime, subject)[0]
        registry = runtime.state.destination_list
        with runtime.engine.begin() as connection:
            names = list(connection.scalars(sa.select(registry.c.activation).order_by(registry.c.activation)))
        leases = [leased.enter_context(hold_lease(runtime.engine, registry, name)) for name in names]
        with runtime.engine.begin() as connection:
            for lease in leases:
                lease.assert_held(connection)
            found, held = _find(connection, runtime, subject)
            if found.listed and not even_if_listed:
                raise StillListed(found)
            return _erase(connection, runtime, subject, found, held)


def _find(connection: Connection, runtime: Runtime, subject: Subject) -> tuple[Erasure, list[_Held]]:
    state, every = runtime.state, places(connection, runtime)
    lists = registered_lists(connection, runtime, every)
    person = find_person(connection, runtime, subject, every, lists)
    counted = (
        (place, where, _count(connection, place, where)) for place in every for where in [_theirs(place, person)]
    )
    held = [_Held(place, where, number) for place, where, number in counted if number]
    tables = {each.place.table.name for each in held}
    found = Erasure(
        rows={each.place.name: each.rows for each in held},
        listed=_listed(connection, runtime, person, lists),
        users=_users(connection, runtime, person),
        segments=[name for name in runtime.project.segments if state.table_name(f"{SEGMENT}{name}") in tables],
        uploaded=[each.place.name.removeprefix(UPLOADED) for each in held if each.place.name.startswith(UPLOADED)],
        erased=False,
    )
    return found, held


def _theirs(place: Place, person: Person) -> sa.ColumnElement[bool]:
    """Which rows of a table are about the person."""
    by_key = [
        rows & key.in_(sorted(person.keys_of(model)))
        for model, rows in place.scopes()
        for key in place.keys
        if person.keys_of(model)
    ]
    by_identifier = [column.in_(sorted(person.identifiers)) for column in place.identifiers if person.identifiers]
    return sa.or_(sa.false(), *by_key, *by_identifier)


def _count(connection: Connection, place: Place, where: sa.ColumnElement[bool]) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(place.table).where(where)) or 0)


def _listed(connection: Connection, runtime: Runtime, person: Person, lists: Sequence[RegisteredList]) -> list[Listed]:
    """Lists whose ledger has the person, or whose last sync was interrupted while they were on their way.

    And those that keep somebody who left, because nothing could take them off.
    """
    found: list[Listed] = []
    rejection = runtime.state.rejection
    kept = sa.select(rejection.c.activation).where(
        rejection.c.operation == Operation.REMOVE.value,
        rejection.c.recheck == Recheck.WHEN_CHANGED.value,
        rejection.c.identifier.in_(sorted(person.identifiers)),
    )
    keeping = set(connection.scalars(kept)) if person.identifiers else set()
    sync = runtime.state.sync
    unfinished = set(connection.scalars(sa.select(sync.c.activation).where(sync.c.state.in_(UNFINISHED))))
    for each in lists:
        statuses: set[str] = set()
        if each.ledger is not None:
            status = each.ledger.table.c.status
            query = sa.select(status).where(_theirs(each.ledger, person), status.in_(MAY_BE_LISTED))
            statuses |= set(connection.scalars(query))
        if each.change is not None and each.activation in unfinished:
            statuses |= {IN_DOUBT} if _count(connection, each.change, _theirs(each.change, person)) else set()
        statuses |= {Status.KEPT.value} if each.activation in keeping and not statuses else set()
        found += [Listed(each.activation, each.name, each.url, max(statuses))] if statuses else []
    return found


def _users(connection: Connection, runtime: Runtime, person: Person) -> dict[str, int]:
    """Users model -> how many of its rows are the person."""
    found: dict[str, int] = {}
    for source in user_sources(runtime):
        keys = person.keys_of(source.model)
        if keys:
            count = sa.select(sa.func.count()).select_from(source.rows).where(source.key.in_(sorted(keys)))
            number = int(connection.scalar(count) or 0)
            found |= {str(source.model): number} if number else {}
    return found


def _erase(
    connection: Connection, runtime: Runtime, subject: Subject, found: Erasure, held: Sequence[_Held]
) -> Erasure:
    for each in held:
        connection.execute(sa.delete(each.place.table).where(each.where))
    if held:
        _forget_sizes(connection, runtime.state)
        write_proof(connection, runtime.state, subject, runtime.now(), found.rows)
    return replace(found, erased=bool(held))


def _forget_sizes(connection: Connection, state: State) -> None:
    """The next plan counts its ledger anew."""
    connection.execute(state.destination_list.update().values(sizes=None))

"""Finding a person: from an address to the users who have it, from the users to everything they are known by.

    address ─▶ user keys (users models, ledgers, planned changes, consent log)
    user keys ─▶ identifiers, former ones too

It goes no further: who shares an address with the person is another person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.mapped import mapped_users
from audience_assets.destinations.identifiers import normal_phone
from audience_assets.forgetting.places import Place, RegisteredList
from audience_assets.forgetting.subject import PHONE, USER, Subject
from audience_assets.runtime import Runtime
from audience_assets.sync.desired import REGION, normalise

KINDS = ("email", "phone")
# The end of a number is the same however its beginning is written.
TELLING_DIGITS = 7


@dataclass
class Person:
    """What somebody is called in our tables. Keys are text, by users model (None: of something gone)."""

    keys: dict[str | None, set[str]] = field(default_factory=dict)
    identifiers: set[str] = field(default_factory=set)

    def keys_of(self, model: str | None) -> set[str]:
        """Keys to look for in rows of a model; in rows of nobody knows what, all of them."""
        if model is None:
            return set().union(*self.keys.values())
        return self.keys.get(model, set()) | self.keys.get(None, set())


@dataclass(frozen=True)
class Source:
    """Rows that tell which user has which address. `addresses` are raw, with their kind; `identifiers` normalised."""

    rows: sa.FromClause
    key: sa.ColumnElement[str]
    model: str | None
    addresses: Sequence[tuple[str, sa.ColumnElement[Any]]] = ()
    identifiers: Sequence[sa.ColumnElement[str]] = ()
    region: sa.ColumnElement[Any] | None = None
    default_region: str | None = None
    only: sa.ColumnElement[bool] = field(default_factory=sa.true)

    def select(self, where: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """Key, region, and every address in its normalised spelling."""
        region = sa.null() if self.region is None else self.region
        return sa.select(self.key, region, *self.spellings()).select_from(self.rows).where(self.only, where)

    def spellings(self, kind: str | None = None) -> list[sa.ColumnElement[str]]:
        of_kind = (normalise(its, column) for its, column in self.addresses if kind in (None, its))
        return [*self.identifiers, *of_kind]


def find_person(
    connection: Connection,
    runtime: Runtime,
    subject: Subject,
    found_in: Sequence[Place],
    lists: Sequence[RegisteredList],
) -> Person:
    """Everything the subject is known by in the warehouse and in our state."""
    found = Person()
    every = list(_sources(runtime, found_in, lists))
    if subject.kind == USER:
        found.keys[subject.model] = {subject.value, subject.given}
    else:
        spellings = _spellings(connection, subject)
        found.identifiers |= spellings
        for source in every:
            _find_by_address(connection, source, subject, spellings, found)
    for source in every:
        keys = found.keys_of(source.model)
        if keys:
            rows = connection.execute(source.select(source.key.in_(sorted(keys)))).all()
            found.identifiers.update(text for row in rows for text in row[2:] if text)
    return found


def _spellings(connection: Connection, subject: Subject) -> set[str]:
    """The subject's address as our tables have it: normalised in SQL, and as vendors want it."""
    given = sa.select(normalise(subject.kind, sa.literal(subject.given, sa.String)))
    return {subject.value, *filter(None, [connection.scalar(given)])}


def _find_by_address(
    connection: Connection, source: Source, subject: Subject, spellings: set[str], found: Person
) -> None:
    columns = source.spellings(subject.kind)
    if not columns:
        return
    same = [column.in_(sorted(spellings)) for column in columns]
    if subject.kind == PHONE:
        same += [column.like(f"%{subject.value[-TELLING_DIGITS:]}") for column in columns]
    for key, region, *texts in connection.execute(source.select(sa.or_(*same))):
        theirs = {
            text for text in texts if text and _is_same(text, region or source.default_region, subject, spellings)
        }
        if theirs and key is not None:
            found.keys.setdefault(source.model, set()).add(key)
        found.identifiers |= theirs


def _is_same(text: str, region: str | None, subject: Subject, spellings: set[str]) -> bool:
    return text in spellings or (subject.kind == PHONE and normal_phone(text, region) == subject.value)


def _sources(runtime: Runtime, found_in: Sequence[Place], lists: Sequence[RegisteredList]) -> Iterator[Source]:
    yield from user_sources(runtime)
    for each in lists:
        yield from _list_sources(runtime, each)
    log = next(place for place in found_in if place.name == "consent_log")
    for model, rows in log.scopes():
        yield Source(log.table, log.keys[0], model, identifiers=log.identifiers, only=rows)


def user_sources(runtime: Runtime) -> Iterator[Source]:
    """Each users model with the fields that some activation matches people by."""
    project = runtime.project
    for name, model in project.models.items():
        if model.type != "users":
            continue
        mappings = [each.mapping for each in project.effective.values() if each.model == name]
        kinds = [(kind, its) for kind in KINDS for its in _distinct(m.identifiers.get(kind) for m in mappings)]
        regions = _distinct(mapping.region for mapping in mappings)
        fields = {its for _, its in kinds} | set(regions[:1])
        users = mapped_users(project, name, {model.key, *fields}, runtime.now(), runtime.state)
        yield Source(
            users.joined(),
            sa.cast(users.values[model.key], sa.String),
            name,
            addresses=[(kind, users.values[its]) for kind, its in kinds],
            region=users.values[regions[0]] if regions else None,
            default_region=next((mapping.default_region for mapping in mappings if mapping.default_region), None),
        )


def _list_sources(runtime: Runtime, each: RegisteredList) -> Iterator[Source]:
    """The ledger, and what was planned last: of a plan only the rows stay that no sync has delivered."""
    declared = runtime.project.effective.get(each.activation)
    for place in filter(None, (each.ledger, each.change)):
        yield Source(
            place.table,
            place.keys[0],
            place.model,
            addresses=[
                (column.attribute, place.table.c[name])
                for column in each.columns
                for name in (column.column, column.previous)
                if column.attribute in KINDS and name in place.table.c
            ],
            identifiers=place.identifiers,
            region=_region(each, place),
            default_region=declared.mapping.default_region if declared else None,
        )


def _region(each: RegisteredList, place: Place) -> sa.ColumnElement[Any] | None:
    names = [column.column for column in each.columns if column.attribute == REGION and column.column in place.table.c]
    return place.table.c[names[-1]] if names else None


def _distinct(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))

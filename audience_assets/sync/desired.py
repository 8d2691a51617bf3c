"""The desired state of a list: the audience's members with their mapped columns and their identifier."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from audience_assets.audiences.scope import Join
from audience_assets.audiences.validity import LOOKS_VALID
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.models import FieldType
from audience_assets.warehouse.functions import FoldedColumn, StartsVisibly, Stripped
from audience_assets.warehouse.state import MappedColumn

# Loads from files leave these around values; a service strips them as well.
BLANKS = " \t\n\v\f\r\N{NO-BREAK SPACE}"
# People write numbers with these; they carry no meaning.
PHONE_PUNCTUATION = (" ", "-", ".", "(", ")", "/")
PHONE = "phone"
REGION = "region"
CONSTANT_TYPE: FieldType = "text"


@dataclass(frozen=True)
class Desired:
    """Both sides of the join that makes an audience, and how its columns are called in the ledger."""

    members: sa.FromClause  # the audience's present members: user_key
    users: sa.FromClause  # the users model's table
    joins: tuple[Join, ...]  # what mapped fields LEFT JOIN to it, one row a user at most
    key: sa.ColumnElement[Any]
    values: Mapping[str, sa.ColumnElement[Any]]  # ledger column -> expression over `users` and `joins`
    columns: tuple[MappedColumn, ...]
    identifier_columns: tuple[str, ...]  # ledger columns of the identifiers, in order of preference
    identifier_kinds: tuple[str, ...]
    tracked_columns: tuple[str, ...]  # a change of one of these is an update at the vendor
    expands: bool = False  # a user may have several rows, each with an identifier of its own
    # Every mapped identifier and its ledger column: what a delivery can reach somebody by, known by it or not.
    addresses: tuple[tuple[str, str], ...] = ()
    region: str | None = None  # ledger column of the country of a phone number
    default_region: str | None = None  # ISO country of numbers without one
    # Reason -> members left out already, because somebody who must not be reached has their address.
    barred: Mapping[str, int] = field(default_factory=dict)

    def identifier(self) -> sa.ColumnElement[str]:
        """The normalised identifier of a user: the first mapped one that is not blank."""
        return identifier_expression(
            [
                (kind, self.values[column])
                for kind, column in zip(self.identifier_kinds, self.identifier_columns, strict=True)
            ]
        )

    def has_identifier(self) -> sa.ColumnElement[bool]:
        """Whether a user has any identifier; cheaper than normalising it, and never true where that gives NULL."""
        sources = zip(self.identifier_kinds, self.identifier_columns, strict=True)
        return sa.or_(*(_is_some(kind, self.values[column]) for kind, column in sources))

    def looks_usable(self) -> sa.ColumnElement[bool]:
        """Whether any identifier of a user looks like one to SQL, as insights judge it; a delivery has real parsers."""
        sources = zip(self.identifier_kinds, self.identifier_columns, strict=True)
        return sa.or_(*(_looks_usable(kind, self.values[column]) for kind, column in sources))

    def may_be_blank(self) -> sa.ColumnElement[bool]:
        """True of everybody without an identifier, and of few others: cheap, because every row of a diff is asked.

        A phone of punctuation alone is taken for one.
        """
        columns = (_text(self.values[column]) for column in self.identifier_columns)
        return sa.and_(*(StartsVisibly(column).is_not(sa.true()) for column in columns))

    def joined(self, *, identifiers_only: bool = False, unseen: bool = False) -> sa.Join:
        """Members with their columns, or no more than identifiers need; `unseen`: also whom the users model lacks."""
        return self._joined(self._joins_for(self.identifier_columns) if identifiers_only else self.joins, unseen)

    def joined_for(self, columns: Sequence[str]) -> sa.Join:
        """Members with what these ledger columns need."""
        return self._joined(self._joins_for(columns))

    def _joined(self, joins: Sequence[Join], unseen: bool = False) -> sa.Join:
        clause = self.members.join(self.users, self.key == self.members.c.user_key, isouter=unseen)
        for target, on in joins:
            clause = clause.outerjoin(target, on)
        return clause

    def _joins_for(self, columns: Sequence[str]) -> list[Join]:
        needed = {table for name in columns for table in _tables_of(self.values[name])}
        joins: list[Join] = []
        for target, on in reversed(self.joins):
            if target in needed:
                joins.insert(0, (target, on))
                needed.update(_tables_of(on))
        return joins


def _tables_of(expression: sa.ColumnElement[Any]) -> set[sa.FromClause]:
    columns = (found for found in visitors.iterate(expression) if isinstance(found, sa.ColumnClause))
    return {column.table for column in columns if column.table is not None}


def identifier_expression(sources: Sequence[tuple[str, sa.ColumnElement[Any]]]) -> sa.ColumnElement[str]:
    """The first identifier that is not blank, normalised; NULL if there is none."""
    normalised = [normalise(kind, column) for kind, column in sources]
    return normalised[0] if len(normalised) == 1 else sa.func.coalesce(*normalised)


def normalise(kind: str, column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """One spelling for one address: trimmed, e-mail in lower case, phones without punctuation; blank is NULL."""
    text = _text(column)
    if kind == "email":
        text = FoldedColumn(text)
    if kind == PHONE:
        for mark in PHONE_PUNCTUATION:
            text = sa.func.replace(text, mark, "")
    return sa.func.nullif(Stripped(text, BLANKS), "", type_=sa.String())


def _text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return column if isinstance(column.type, sa.String) else sa.cast(column, sa.String)


def _is_some(kind: str, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """A phone of punctuation alone, as a lone dash, is blank."""
    if kind == PHONE:
        return sa.func.coalesce(normalise(kind, column), "", type_=sa.String()) != ""
    return has_text(column)


def _looks_usable(kind: str, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return LOOKS_VALID[kind](_text(column)) if kind in LOOKS_VALID else _is_some(kind, column)


def has_text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether there is more than blanks; false for NULL."""
    text = _text(column)
    return StartsVisibly(text).is_(sa.true()) | (sa.func.coalesce(Stripped(text, BLANKS), "", type_=sa.String()) != "")


def mapped_fields(activation: EffectiveActivation) -> dict[str, str]:
    """Vendor attribute -> field, maybe dotted, of the users model: everything the ledger keeps."""
    mapping = activation.mapping
    fields = dict(mapping.identifiers)
    if mapping.region:
        fields[REGION] = mapping.region
    return {**fields, **mapping.fields}


def wanted_columns(
    activation: EffectiveActivation, type_of: Callable[[str], FieldType], known: Sequence[MappedColumn]
) -> list[MappedColumn]:
    """The ledger's columns for a mapping. A column keeps its name for good; a field of another type gets a new one."""
    columns: list[MappedColumn] = []
    taken = {column.column for column in known}
    types = {attribute: type_of(field) for attribute, field in mapped_fields(activation).items()}
    for attribute, field_type in {**types, **dict.fromkeys(activation.constants, CONSTANT_TYPE)}.items():
        same = next((c for c in known if c.attribute == attribute and c.field_type == field_type), None)
        column = same or MappedColumn(attribute, _free_name(attribute, taken), field_type)
        taken.add(column.column)
        columns.append(column)
    return columns


def _free_name(attribute: str, taken: set[str]) -> str:
    base = "v_" + re.sub(r"[^a-z0-9]+", "_", attribute.lower()).strip("_")[:40]
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name

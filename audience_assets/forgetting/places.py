"""Where our state names people: every table of ours, those of lists and segments that no project declares any more too.

Declared tables are not enough here. Who deletes an activation from the project leaves its ledger behind, and a person
has a right to be forgotten there as well. So the warehouse is asked which of our tables it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.project.project import Project
from audience_assets.runtime import Runtime
from audience_assets.warehouse.state import MappedColumn, State, audience_table, decode_columns

LEDGER, CHANGE, DUPLICATE = "list_", "change_", "duplicate_"
SEGMENT, STAGING, UPLOADED = "segment_", "staging_", "uploaded_"
GROUP, ASSIGNMENT, RECIPIENT, HELD_OUT = "group_", "assignment_", "recipient_", "held_out_"
FAMILIES = (LEDGER, CHANGE, DUPLICATE, SEGMENT, STAGING, UPLOADED, GROUP, ASSIGNMENT, RECIPIENT, HELD_OUT)
KEYS = ("user_key", "keep")
IDENTIFIERS = ("identifier", "address")


@dataclass(frozen=True)
class Place:
    """One table. `model` is the users model its keys are of, `owners` tells it row by row; neither where it is gone.

    `owners` is a column with the name of a segment or an activation, and the model of each of those.
    """

    name: str
    table: sa.TableClause
    model: str | None = None
    owners: tuple[str, dict[str, str]] | None = None

    @property
    def keys(self) -> list[sa.ColumnElement[str]]:
        """User keys as text."""
        return [sa.cast(self.table.c[name], sa.String) for name in KEYS if name in self.table.c]

    @property
    def identifiers(self) -> list[sa.ColumnElement[str]]:
        return [self.table.c[name] for name in IDENTIFIERS if name in self.table.c]

    def scopes(self) -> Iterator[tuple[str | None, sa.ColumnElement[bool]]]:
        """(Model, which rows are of it); None for rows of what the project does not declare any more."""
        if self.owners is None:
            yield self.model, sa.true()
            return
        column, models = self.owners
        for model in dict.fromkeys(models.values()):
            yield model, self.table.c[column].in_([name for name, its in models.items() if its == model])
        yield None, self.table.c[column].not_in(list(models))


@dataclass(frozen=True)
class RegisteredList:
    """A list as the state knows it, whether or not the project still declares it."""

    activation: str
    name: str
    url: str | None
    columns: tuple[MappedColumn, ...]
    ledger: Place | None
    change: Place | None


def places(connection: Connection, runtime: Runtime) -> list[Place]:
    """Every table of ours that may hold a person."""
    state, project = runtime.state, runtime.project
    fixed = {
        "segment_history": ("segment", {name: project.users_model(name) for name in _audiences(project)}),
        "consent_log": ("activation", {name: each.model for name, each in project.effective.items()}),
        "rejection": None,
        "outcome": None,
    }
    without = {state.table_name(name) for name in (*fixed, "segment_run")}
    models = _models(state, project)
    inspector = sa.inspect(connection)
    schema = state.metadata.schema
    found = [
        Place(name, _table(inspector, state.table_name(name), schema), owners=owners) for name, owners in fixed.items()
    ]
    start = "" if schema else f"{state.namespace}_"
    for full in sorted(inspector.get_table_names(schema=schema)):
        name = full.removeprefix(start)
        if full.startswith(start) and name.startswith(FAMILIES) and full not in without:
            found.append(Place(name, _table(inspector, full, schema), models.get(full)))
    return [place for place in found if place.keys or place.identifiers]


def registered_lists(connection: Connection, runtime: Runtime, found: Sequence[Place]) -> list[RegisteredList]:
    """The lists, with their tables among the places."""
    state = runtime.state
    by_table = {place.table.name: place for place in found}
    rows = connection.execute(sa.select(state.destination_list).order_by(state.destination_list.c.activation)).all()
    return [
        RegisteredList(
            row.activation,
            row.name or row.activation,
            row.url,
            tuple(decode_columns(row.columns)),
            by_table.get(state.table_name(f"{LEDGER}{row.activation}")),
            by_table.get(state.table_name(f"{CHANGE}{row.activation}")),
        )
        for row in rows
    ]


def _models(state: State, project: Project) -> dict[str, str]:
    """Name of a table -> users model of what it belongs to."""
    segments = {name: project.users_model(name) for name in project.segments}
    lists = {name: each.model for name, each in project.effective.items()}
    campaigns = {name: project.campaign_model(name) for name in project.campaigns}
    families = (
        ((SEGMENT, STAGING), segments),
        ((LEDGER, CHANGE, DUPLICATE), lists),
        ((ASSIGNMENT, RECIPIENT, HELD_OUT), campaigns),
    )
    found = {
        state.table_name(f"{family}{name}"): model
        for those, owners in families
        for family in those
        for name, model in owners.items()
    }
    return found | {state.table_name(audience_table(name)): each.model for name, each in project.treatments.items()}


def _audiences(project: Project) -> list[str]:
    return [*project.segments, *project.treatments]


def _table(inspector: sa.Inspector, name: str, schema: str | None) -> sa.TableClause:
    columns = (sa.column(column["name"], column["type"]) for column in inspector.get_columns(name, schema=schema))
    return sa.table(name, *columns, schema=schema)

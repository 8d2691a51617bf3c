"""The lists our state keeps, held against what the project says of them now.

A destination, a list's name or an activation's own name may change in the project; the list at the vendor and its
ledger stay what they were. Nothing is moved, renamed or given up without somebody who says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.destinations.base import ListMissing, ListRef, ListService
from audience_assets.errors import AudienceError
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.campaign_states import expect_active
from audience_assets.sync.diff import IN_LIST
from audience_assets.warehouse.keys import found_keys
from audience_assets.warehouse.state import State

if TYPE_CHECKING:
    from audience_assets.runtime import Runtime


class ListMoved(AudienceError):
    """The activation names another destination than the one its list is at."""


class KeysChanged(AudienceError):
    """The ledger was written under keys of another type."""


@dataclass(frozen=True, slots=True)
class KeptList:
    """A vendor's list that a ledger stands for. `members` as the last merge counted them."""

    activation: str
    destination: str
    service: str
    vendor_list_id: str
    name: str
    members: int

    def is_for(self, activation: EffectiveActivation) -> bool:
        return (self.destination, self.service) == (activation.destination, activation.service)


@dataclass(frozen=True, slots=True)
class ListNote:
    """Something about a kept list that a person decides."""

    activation: str
    check: str
    message: str


def kept_lists(connection: Connection, state: State) -> dict[str, KeptList]:
    """Activation -> its list, also of activations that the project has no more; none where nothing was delivered."""
    registry = state.destination_list
    rows = connection.execute(sa.select(registry).where(registry.c.vendor_list_id.is_not(None)))
    return {
        row.activation: KeptList(
            row.activation,
            row.destination,
            row.service,
            row.vendor_list_id,
            row.name or row.activation,
            sum(json.loads(row.sizes).get(status, 0) for status in IN_LIST) if row.sizes else 0,
        )
        for row in rows
    }


def expect_own_list(runtime: Runtime, activation: EffectiveActivation, *, recreate: bool = False) -> None:
    """Raises NotActive, ListMoved unless the list is to be made anew, and KeysChanged. Nothing is written."""
    campaign = runtime.project.audience(activation.audience).campaign
    if campaign is not None:
        expect_active(runtime.project, campaign)
    key_type = runtime.project.models[activation.model].key_type
    with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
        if not recreate:
            _expect_same_destination(connection, runtime.state, activation)
        _expect_same_keys(connection, runtime.state, activation, key_type)


def _expect_same_destination(connection: Connection, state: State, activation: EffectiveActivation) -> None:
    """A ledger of one account says nothing of who is in a list of another."""
    kept = kept_lists(connection, state).get(activation.name)
    if kept is not None and not kept.is_for(activation):
        raise ListMoved(f"{activation.name}: {_moved(kept, activation)}")


def _expect_same_keys(connection: Connection, state: State, activation: EffectiveActivation, key_type: str) -> None:
    """The ledger is never made anew as a segment's table is: only it takes people off a list."""
    tables = state.list_tables(activation.name, key_type, ())
    found = found_keys(connection, [tables.ledger, tables.change, tables.duplicate])
    others = {name: kept for name, kept in found.items() if kept}
    if others:
        kept = next(iter(others.values()))
        raise KeysChanged(
            f"{activation.name}: the key of the model {activation.model} is {key_type} now, but who is in the list is "
            f"kept by keys that are {kept} ({', '.join(sorted(others))}). Nothing was written or sent. "
            f"Declare `key_type: {kept}` again, or change the type of that column as docs/operations.md says under "
            "'Another key'. Do not drop the ledger: nothing else can take its members off the list."
        )


def expect_unclaimed(runtime: Runtime, activation: EffectiveActivation, found: ListRef) -> None:
    """Raises ListMoved where a campaign's list, found by its name, holds people of a campaign with another id.

    An activation under a new name adopts its former list. A campaign under a new id draws everybody anew, so whoever is
    in the former list may be in control now.
    """
    if runtime.project.audience(activation.audience).campaign is None:
        return
    with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
        others = kept_lists(connection, runtime.state)
    for name, kept in others.items():
        same = (kept.destination, kept.vendor_list_id) == (activation.destination, found.id)
        if same and name != activation.name and kept.members:
            raise ListMoved(
                f"{activation.name}: the list {found.name!r} at {kept.destination} holds {kept.members:,} members of "
                f"{name}. Under another id, the name of its file, a campaign draws everybody anew, so somebody in "
                "control now may be among them. Nothing was sent. Give the file its former name back, or the "
                "campaign another `name`, which makes lists of its own."
            )


def renamed(name: str, activation: EffectiveActivation) -> str | None:
    """What to say where the project names the list otherwise than the vendor does."""
    if name.strip() == activation.list_name.strip():
        return None
    return (
        f"the project names its list {activation.list_name!r}, but the one it keeps at {activation.destination} is "
        f"{name!r} and stays it: a changed list_name neither renames a list nor starts another. "
        "Rename it at the vendor, or put list_name back."
    )


def present_lists(runtime: Runtime) -> dict[str, KeptList]:
    """Activation -> its list, with nothing made. None where our tables are not there, or not yet as now."""
    registry = runtime.state.destination_list
    with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
        found = sa.inspect(connection).get_multi_columns(schema=registry.schema, filter_names=[registry.name])
        present = {column["name"] for columns in found.values() for column in columns}
        return kept_lists(connection, runtime.state) if present.issuperset(registry.columns.keys()) else {}


def list_notes(runtime: Runtime) -> list[ListNote]:
    """What the project and the kept lists disagree about."""
    return list(_notes(present_lists(runtime), runtime.project.effective))


def _notes(kept: dict[str, KeptList], declared: dict[str, EffectiveActivation]) -> Iterator[ListNote]:
    owned = {(each.destination, each.vendor_list_id) for name, each in kept.items() if name in declared}
    for name, each in kept.items():
        if name not in declared:
            # Under a new name an activation adopts its former list; then somebody keeps it.
            if each.members and (each.destination, each.vendor_list_id) not in owned:
                yield ListNote(name, "list without activation", _orphaned(each))
        elif not each.is_for(declared[name]):
            yield ListNote(name, "list moved", _moved(each, declared[name]))
        elif said := renamed(each.name, declared[name]):
            yield ListNote(name, "list name", said)


def _orphaned(kept: KeptList) -> str:
    return (
        f"the list {kept.name!r} at {kept.destination} is kept by no activation any more: {kept.members:,} members "
        f"stay in it, whatever becomes of them. Restore the activation {kept.activation!r}, or see "
        "'Renaming and ending' in docs/operations.md."
    )


def _moved(kept: KeptList, activation: EffectiveActivation) -> str:
    here, there = kept.destination, activation.destination
    if here == there:
        here, there = f"{here} ({kept.service})", f"{there} ({activation.service})"
    return (
        f"its list {kept.name!r} with {kept.members:,} members is at {here}, and the project sends it to {there} now. "
        f"Nothing is carried over and nothing was sent. Put {here} back; or start a list at {there}, while the members "
        f"at {here} stay there as they are: audience-assets sync {activation.name} --recreate (in Dagster the config "
        f"`recreate: true`). Whoever shall leave the list at {here} has to leave it before."
    )


def with_origin(target: ListRef) -> ListRef:
    """A list found by its id looks adopted; we know who made it."""
    return replace(target, facts={**target.facts, "adopted": "no" if target.created else "yes"})


def is_there(service: ListService, list_id: str) -> bool:
    """Whether the vendor still has a list."""
    try:
        service.get_list(list_id)
    except ListMissing:
        return False
    return True

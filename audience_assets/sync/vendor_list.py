"""The list at the vendor: found or made, kept as the options say, and noted as it was last seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from audience_assets.destinations.base import KeepsList, ListRef, ListService
from audience_assets.project.activations import EffectiveActivation
from audience_assets.sync.kept import expect_unclaimed, is_there, kept_lists, with_origin
from audience_assets.sync.lease import Lease
from audience_assets.warehouse.state import ListTables

if TYPE_CHECKING:
    from audience_assets.runtime import Runtime


@dataclass(frozen=True)
class VendorList:
    """One activation's list."""

    runtime: Runtime
    activation: EffectiveActivation
    tables: ListTables

    def known(self) -> ListRef:
        """The list as it was last seen; without an id if there is none yet."""
        registry = self.runtime.state.destination_list
        with self.runtime.engine.begin() as connection:
            row = connection.execute(sa.select(registry).where(registry.c.activation == self.activation.name)).one()
        facts: Mapping[str, str] = json.loads(row.facts) if row.facts else {}
        name = row.name or self.activation.list_name
        return ListRef(row.vendor_list_id or "", name, bool(row.created), row.url, facts)

    def ensure(self, lease: Lease, service: ListService) -> ListRef:
        known = self.known()
        found = service.get_list(known.id) if known.id else service.ensure_list(known.name)
        if not known.id:
            expect_unclaimed(self.runtime, self.activation, found)
        target = replace(found, created=known.created) if known.id else found
        return self.keep(lease, service, with_origin(target))

    def keep(self, lease: Lease, service: ListService, target: ListRef) -> ListRef:
        """What the options say of the list itself, e.g. who may see it; no call where it was so when last seen."""
        known = self.known()
        if target.id and isinstance(service, KeepsList):
            target = service.keep_list(target)
        if (target.id, target.name, target.facts) != (known.id, known.name, known.facts):
            self._note(lease, target)
        return target

    def _note(self, lease: Lease, target: ListRef) -> None:
        registry = self.runtime.state.destination_list
        with self.runtime.engine.begin() as connection:
            lease.assert_held(connection)
            connection.execute(
                registry.update()
                .where(registry.c.activation == self.activation.name)
                .values(
                    destination=self.activation.destination,
                    service=self.activation.service,
                    vendor_list_id=target.id,
                    name=target.name,
                    url=target.url,
                    created=target.created,
                    facts=json.dumps(dict(target.facts)),
                )
            )

    def present_name(self, known: ListRef, service: ListService) -> str:
        """The list's name at the vendor, who is asked where the project says another than we know."""
        return known.name if known.name == self.activation.list_name else service.get_list(known.id).name

    def start_anew(self, lease: Lease, service: ListService) -> None:
        """Forget the members and the id of a list that was deleted, or is at another destination. Else nothing."""
        state, registry = self.runtime.state, self.runtime.state.destination_list
        with self.runtime.engine.begin() as connection:
            kept = kept_lists(connection, state).get(self.activation.name)
        if kept is None or (kept.is_for(self.activation) and is_there(service, kept.vendor_list_id)):
            return
        with self.runtime.engine.begin() as connection:
            lease.assert_held(connection)
            connection.execute(self.tables.ledger.delete())
            connection.execute(state.rejection.delete().where(state.rejection.c.activation == self.activation.name))
            connection.execute(
                registry.update()
                .where(registry.c.activation == self.activation.name)
                .values(vendor_list_id=None, name=None, url=None, facts=None, sizes=None, members_delivered=0)
            )

"""Planning: from an activation to a table of numbered changes, counted and estimated."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.engine import Connection

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.counted import counted_rows
from audience_assets.audiences.mapped import mapped_users
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.consent.evidence import (
    ChannelAddress,
    EvidenceSource,
    Numbers,
    fill_evidence,
    fill_own_opt_outs,
    reopen_refused,
)
from audience_assets.consent.spellings import fill_opt_outs_of_other_spellings
from audience_assets.destinations.base import CallEstimate, HasRoutes, ListService, Operation, Route
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.models import FieldType
from audience_assets.project.service_options import only_channel
from audience_assets.sync.acknowledge import PLANNED
from audience_assets.sync.control import Protected, protected_of, without_protected
from audience_assets.sync.desired import (
    CONSTANT_TYPE,
    PHONE,
    REGION,
    Desired,
    mapped_fields,
    normalise,
    wanted_columns,
)
from audience_assets.sync.diff import ABSENT, IN_DOUBT, IN_LIST, REENTERING, REJECTED, UNSURE, Differ
from audience_assets.sync.numbers import DELIVERED, Numbering
from audience_assets.sync.reach import reach_of
from audience_assets.sync.report import PlanCounts
from audience_assets.sync.respelled import Phones
from audience_assets.sync.several_rows import rows_that_count
from audience_assets.warehouse.column_types import FIELD_TYPES
from audience_assets.warehouse.state import (
    ListTables,
    MappedColumn,
    decode_columns,
    encode_columns,
    ensure_columns,
)

if TYPE_CHECKING:
    from audience_assets.runtime import Runtime


@dataclass(frozen=True)
class Planner:
    """Everything about one activation that planning needs.

    Windows of mapped calculated fields end at `as_of`, by default now.
    """

    runtime: Runtime
    name: str
    as_of: datetime | None = None

    @cached_property
    def activation(self) -> EffectiveActivation:
        return self.runtime.project.effective[self.name]

    @cached_property
    def channels(self) -> tuple[str, ...]:
        spec = self.runtime.spec(self.name)
        return tuple(spec.channels(self._options)) if spec.carries_consent else ()

    @cached_property
    def _options(self) -> BaseModel:
        return self.runtime.spec(self.name).options_model.model_validate(self.activation.options)

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self.runtime.project.settings)

    @cached_property
    def _key_type(self) -> str:
        return self.runtime.project.models[self.activation.model].key_type

    def _type_of(self, field: str) -> FieldType:
        return self._catalogue.type_of(self.activation.model, field)

    def prepare(self) -> ListTables:
        """Register the list and see that its tables exist and have a column for every mapped attribute."""
        state = self.runtime.state
        registry = state.destination_list
        with self.runtime.engine.begin() as connection:
            row = connection.execute(sa.select(registry.c.columns).where(registry.c.activation == self.name)).first()
            known = decode_columns(row[0]) if row else []
            columns = wanted_columns(self.activation, self._type_of, known)
            kept = [*columns, *(column for column in known if column not in columns)]
            if row is None:
                connection.execute(
                    registry.insert().values(
                        activation=self.name,
                        destination=self.activation.destination,
                        service=self.activation.service,
                        columns=encode_columns(kept),
                        fence=0,
                    )
                )
            elif kept != known:
                connection.execute(
                    registry.update().where(registry.c.activation == self.name).values(columns=encode_columns(kept))
                )
            return self._create_tables(connection, columns, kept)

    def _create_tables(
        self, connection: Connection, columns: list[MappedColumn], kept: list[MappedColumn]
    ) -> ListTables:
        state = self.runtime.state
        tables = state.list_tables(self.name, self._key_type, kept, self.channels)
        ours = (tables.ledger, tables.change, tables.duplicate)
        names, schema = [table.name for table in ours], tables.ledger.schema
        found = sa.inspect(connection).get_multi_columns(schema=schema, filter_names=names)
        for table in ours:
            present = found.get((schema, table.name))
            if present is None:
                table.create(connection, checkfirst=False)
            else:
                ensure_columns(connection, table, {column["name"] for column in present})
        return ListTables(tables.ledger, tables.change, tables.duplicate, tuple(columns), tables.channels)

    def unplanned(self) -> Desired:
        """The desired state with columns as a first sync would name them; nothing is created for it."""
        columns = wanted_columns(self.activation, self._type_of, [])
        return self.desired(self.runtime.state.list_tables(self.name, self._key_type, columns, self.channels))

    def desired(self, tables: ListTables) -> Desired:
        project, mapping = self.runtime.project, self.activation.mapping
        spec = self.runtime.spec(self.name)
        fields = mapped_fields(self.activation)
        as_of = self.as_of or self.runtime.now()
        by_attribute = {column.attribute: column.column for column in tables.columns}
        kinds = [kind for kind in spec.identifiers(self._options) if kind in mapping.identifiers]
        one_row = rows_that_count(self.activation.on_duplicate, mapping.identifiers, kinds)
        users = mapped_users(project, self.activation.model, set(fields.values()), as_of, self.runtime.state, one_row)
        tracked = list(spec.tracked(self._options))
        values = {by_attribute[attribute]: users.values[field] for attribute, field in fields.items()}
        if spec.carries_attributes:
            tracked += [*mapping.fields, *self.activation.constants]
        for attribute, text in self.activation.constants.items():
            values[by_attribute[attribute]] = sa.literal(text, FIELD_TYPES[CONSTANT_TYPE])
        return Desired(
            members=self.runtime.state.segment(self.activation.audience, self._key_type),
            users=users.table,
            joins=users.joins,
            key=users.table.c[project.models[self.activation.model].key],
            values=values,
            columns=tables.columns,
            identifier_columns=tuple(by_attribute[kind] for kind in kinds),
            identifier_kinds=tuple(kinds),
            tracked_columns=tuple(by_attribute[name] for name in tracked if name in by_attribute),
            expands=self.activation.on_duplicate == "expand",
            addresses=tuple((kind, by_attribute[kind]) for kind in mapping.identifiers),
            region=by_attribute.get(REGION),
            default_region=mapping.default_region,
        )

    def _phones(self, tables: ListTables) -> Phones | None:
        by_attribute = {column.attribute: column for column in tables.columns}
        if PHONE not in by_attribute:
            return None
        return Phones(by_attribute[PHONE], by_attribute.get(REGION), self.activation.mapping.default_region)

    @cached_property
    def numbering(self) -> Numbering:
        return Numbering(self.runtime.spec(self.name).batch_sizes)

    def write(
        self, connection: Connection, tables: ListTables, sync: str, unidentified: int | None = None
    ) -> PlanCounts:
        """Write the changes and their batches; the caller commits.

        Users without an identifier take a pass of their own to count: `unidentified` is what an earlier sync counted.
        """
        expect_large_joins(connection)
        everybody, protected = self.desired(tables), self.protected
        with without_protected(connection, everybody, protected) as desired:
            if protected:
                syncs = self.runtime.state.sync
                reach = reach_of(connection, self, everybody, desired).encoded()
                connection.execute(syncs.update().where(syncs.c.id == sync).values(reach=reach))
            return self._write(connection, tables, sync, unidentified, desired)

    @property
    def protected(self) -> Protected:
        """Whom a campaign's list must not reach; nobody of a segment's list."""
        return protected_of(self.runtime.project, self.runtime.state, self.activation.audience)

    def _write(
        self, connection: Connection, tables: ListTables, sync: str, unidentified: int | None, desired: Desired
    ) -> PlanCounts:
        before = self.known_sizes(connection, tables)
        source = self._evidence_source(desired) if self.channels else None
        if source:
            rejection = self.runtime.state.rejection
            own = sa.select(rejection).where(rejection.c.activation == self.name).subquery("own_rejections")
            reopen_refused(connection, tables.ledger, own, source, self.channels, self._event_time)
        differ = Differ(tables, desired, self.numbering, self._phones(tables))
        duplicates = differ.write(connection, ledger_is_empty=not before)
        ranges = self._ranges(connection, tables, one_operation=not before)
        operations = {operation: rows for operation, (rows, _, _) in ranges.items()}
        state, change = self.runtime.state, tables.change
        if source and (operations.get(Operation.ADD) or operations.get(Operation.UPDATE)):
            fill_evidence(connection, change, source, self.channels, self._event_time)
            for channel in self.channels:
                fill_opt_outs_of_other_spellings(connection, change, source, channel, self._event_time)
        if source and operations:
            fill_own_opt_outs(connection, change, state.consent_log, self.activation.destination, self.channels)
        self._write_batches(connection, sync, ranges)
        counts = self._count(connection, tables, desired, operations, before, duplicates)
        if not before and not desired.expands:
            # Everybody else has become an addition, or stands behind one.
            unidentified = counts.audience_users - counts.add - counts.duplicates
        elif unidentified is None:
            unidentified = self._count_unidentified(connection, desired)
        return replace(counts, unidentified=unidentified)

    @staticmethod
    def _ranges(connection: Connection, tables: ListTables, *, one_operation: bool) -> dict[str, tuple[int, int, int]]:
        """Operation -> how many changes it has, its first and its last number."""
        change = tables.change
        figures = (sa.func.count(), sa.func.min(change.c.seq), sa.func.max(change.c.seq))
        if one_operation:
            rows = [(Operation.ADD.value, *connection.execute(sa.select(*figures)).one())]
        else:
            grouped = sa.select(change.c.operation, *figures).group_by(change.c.operation)
            rows = [tuple(row) for row in connection.execute(grouped)]
        return {str(row[0]): (int(row[1]), int(row[2]), int(row[3])) for row in rows if row[1]}

    def _evidence_source(self, desired: Desired) -> EvidenceSource:
        consent, history = self.activation.consent, self.activation.consent.history
        events = self._counted(history.model) if history else None
        join = None
        if history and events is not None:
            link = self._catalogue.to_many(self.activation.model, history.model)
            join = sa.and_(*(desired.users.c[here] == events.c[there] for here, there in link.on))
        return EvidenceSource(
            consent,
            desired.users,
            {channel: self._channel_address(channel, desired) for channel in self.channels},
            lambda field: desired.users.c[field],
            self.runtime.now(),
            events,
            join,
            self._user_counts(desired),
        )

    def _counted(self, model: str) -> sa.FromClause:
        runtime = self.runtime
        return counted_rows(runtime.project, model, self.as_of or runtime.now(), runtime.state)

    def _user_counts(self, desired: Desired) -> sa.ColumnElement[bool] | None:
        model = self.runtime.project.models[self.activation.model]
        if model.base_filter is None:
            return None
        return desired.users.c[model.key].in_(sa.select(self._counted(self.activation.model).c[model.key]))

    def _channel_address(self, channel: str, desired: Desired) -> ChannelAddress:
        """A channel's own identifier. The first of several is in the ledger normalised already."""
        spec, kinds = self.runtime.spec(self.name), desired.identifier_kinds
        alone = only_channel(spec, self._options, channel)
        own = spec.identifiers(alone) if alone is not None else ()
        place = next((kinds.index(kind) for kind in own if kind in kinds), 0)
        kind, column = kinds[place], desired.identifier_columns[place]
        address = normalise(kind, desired.values[column])
        numbers = self._numbers(desired) if kind == PHONE else None
        if place == 0:
            return ChannelAddress(address, lambda row: row.c.identifier, numbers)
        return ChannelAddress(address, lambda row: normalise(kind, row.c[column]), numbers)

    @staticmethod
    def _numbers(desired: Desired) -> Numbers:
        region, unknown = desired.region, sa.cast(sa.null(), sa.String)
        return Numbers(
            desired.values[region] if region else unknown,
            lambda row: row.c[region] if region else unknown,
            desired.default_region,
        )

    @property
    def _event_time(self) -> str | None:
        history = self.activation.consent.history
        return self.runtime.project.models[history.model].timestamp if history else None

    def _write_batches(self, connection: Connection, sync: str, ranges: dict[str, tuple[int, int, int]]) -> None:
        """One row a batch, named by its first number. Duplicates may have left gaps, so the last number decides."""
        batch, syncs = self.runtime.state.batch, self.runtime.state.sync
        # Earlier plans of this list are merged or given up by now.
        earlier = sa.select(syncs.c.id).where(syncs.c.activation == self.name, syncs.c.id != sync)
        connection.execute(batch.delete().where(batch.c.sync.in_(earlier)))
        for operation, (_, first, last) in ranges.items():
            if operation in DELIVERED:
                size = self.numbering.size(operation)
                # Additions alone count from 1; a mixed plan has a range for each operation.
                start = (self.numbering.base(operation) if first < 0 else 0) + 1
                rows = [
                    {
                        "sync": sync,
                        "number": number,
                        "operation": operation,
                        "last": number + size - 1,
                        "status": PLANNED,
                    }
                    for number in range(start, last + 1, size)
                ]
                connection.execute(batch.insert(), rows)

    def known_sizes(self, connection: Connection, tables: ListTables) -> dict[str, int]:
        """Members of the ledger by status, as the last merge counted them; nothing if it is empty now."""
        if not connection.scalar(sa.select(sa.exists().select_from(tables.ledger))):
            return {}
        return self.list_sizes(connection) or self.ledger_sizes(connection, tables)

    def list_sizes(self, connection: Connection) -> dict[str, int]:
        """Rows of the ledger by status, as the last delivery left them."""
        registry = self.runtime.state.destination_list
        text = connection.scalar(sa.select(registry.c.sizes).where(registry.c.activation == self.name))
        return json.loads(text) if text else {}

    @staticmethod
    def ledger_sizes(connection: Connection, tables: ListTables) -> dict[str, int]:
        ledger = tables.ledger
        grouped = sa.select(ledger.c.status, sa.func.count()).group_by(ledger.c.status)
        return {str(row[0]): int(row[1]) for row in connection.execute(grouped)}

    def _count(
        self,
        connection: Connection,
        tables: ListTables,
        desired: Desired,
        operations: dict[str, int],
        before: dict[str, int],
        duplicates: int,
    ) -> PlanCounts:
        users = connection.scalar(sa.select(sa.func.count()).select_from(desired.members)) or 0
        added = operations.get(Operation.ADD, 0)
        again = sum(before.get(status, 0) for status in (ABSENT, REJECTED, UNSURE, IN_DOUBT, REENTERING))
        retry = self._count_retries(connection, tables) if added and again else 0
        return PlanCounts(
            audience_users=users,
            members_before=sum(before.get(status, 0) for status in IN_LIST),
            add=added,
            update=operations.get(Operation.UPDATE, 0),
            remove=operations.get(Operation.REMOVE, 0),
            retry=retry,
            duplicates=duplicates,
            unidentified=0,
        )

    @staticmethod
    def _count_unidentified(connection: Connection, desired: Desired) -> int:
        key = desired.members.c.user_key
        joined = desired.joined(identifiers_only=True)
        if desired.expands:
            # One of several rows is enough.
            named = sa.case((desired.has_identifier(), key))
            query = sa.select(sa.func.count(key.distinct()) - sa.func.count(named.distinct())).select_from(joined)
        else:
            query = sa.select(sa.func.count()).select_from(joined).where(~desired.has_identifier())
        return int(connection.scalar(query) or 0)

    @staticmethod
    def _count_retries(connection: Connection, tables: ListTables) -> int:
        change, ledger = tables.change, tables.ledger
        known = sa.exists().where(ledger.c.identifier == change.c.identifier)
        query = sa.select(sa.func.count()).select_from(change).where(change.c.operation == Operation.ADD.value, known)
        return int(connection.scalar(query) or 0)


def reckon(service: ListService, counts: PlanCounts) -> tuple[list[Route], list[CallEstimate]]:
    """The ways to deliver a plan, of which the service takes one (none where it has one only), and the calls needed."""
    numbers = {"adds": counts.add, "updates": counts.update, "removes": counts.remove}
    if not counts.changes:
        return [], []
    routes = service.choose_route(**numbers) if isinstance(service, HasRoutes) else []
    return routes, service.estimate(**numbers)

"""Our tables in the warehouse: declared here, created and migrated by us, never reflected.

Each segment has a table of its present members and each destination list a ledger, typed as the users model's
key and the mapped fields are. One table a list keeps keys and columns typed, comparisons free of casts and an
index small; analysts can join a segment's table as any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler

from audience_assets.errors import WarehouseError
from audience_assets.warehouse import campaign_columns
from audience_assets.warehouse.column_types import FIELD_TYPES, KEY_TYPES, UtcDateTime
from audience_assets.warehouse.locks import one_at_a_time
from audience_assets.warehouse.our_schema import ensure_schema

# Grows with every column that is added below, so that older states get it. Such a column may be NULL: in rows from
# before it is.
VERSION = 8
# Postgres cuts names at 63 bytes; a longer name keeps its start and gets a hash.
MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A mapped attribute's column in a ledger. `field_type` is the declared type of the model's field."""

    attribute: str
    column: str
    field_type: str

    @property
    def previous(self) -> str:
        """Name of the column that holds the acknowledged value in a change row."""
        return "p" + self.column[1:]


@dataclass(frozen=True)
class ListTables:
    """The tables of one destination list."""

    ledger: sa.Table
    change: sa.Table
    duplicate: sa.Table
    columns: tuple[MappedColumn, ...]
    channels: tuple[str, ...]


class State:
    """Our tables for one engine. `namespace` is the schema, or the table prefix where there are no schemas."""

    def __init__(self, engine: Engine, namespace: str = "audience_assets") -> None:
        self.engine = engine
        self._has_schemas = engine.dialect.name != "sqlite"
        self.namespace = namespace
        self.metadata = sa.MetaData(schema=namespace if self._has_schemas else None)
        self._declared: dict[tuple[object, ...], sa.Table] = {}
        self.version = self._table(
            "schema_version",
            sa.Column("version", sa.Integer, nullable=False),
            sa.Column("applied_at", UtcDateTime),
        )
        self.segment_run = self._table(
            "segment_run",
            sa.Column("id", sa.String, primary_key=True),
            sa.Column("segment", sa.String, nullable=False, index=not self._is_columnar),
            sa.Column("as_of", UtcDateTime, nullable=False),
            sa.Column("definition_hash", sa.String, nullable=False),
            sa.Column("size", sa.BigInteger, nullable=False),
            sa.Column("entered", sa.BigInteger, nullable=False),
            sa.Column("left", sa.BigInteger, nullable=False),
            sa.Column("duration_seconds", sa.Double, nullable=False),
            sa.Column("version", sa.String, nullable=False),
        )
        self.segment_history = self._table(
            "segment_history",
            sa.Column("segment", sa.String, nullable=False),
            sa.Column("user_key", sa.String, nullable=False),
            sa.Column("entered_at", UtcDateTime, nullable=False),
            sa.Column("left_at", UtcDateTime, nullable=False),
        )
        # One number of a segment's insights; `dimension` is a channel, a list or nothing.
        self.insight = self._table(
            "insight",
            sa.Column("segment", sa.String, nullable=False, index=not self._is_columnar),
            sa.Column("as_of", UtcDateTime, nullable=False),
            sa.Column("metric", sa.String, nullable=False),
            sa.Column("dimension", sa.String),
            sa.Column("value", sa.Double, nullable=False),
        )
        self.destination_list = self._table(
            "destination_list",
            sa.Column("activation", sa.String, primary_key=True),
            sa.Column("destination", sa.String, nullable=False),
            sa.Column("service", sa.String, nullable=False),
            sa.Column("vendor_list_id", sa.String),
            sa.Column("name", sa.String),
            sa.Column("url", sa.String),
            sa.Column("created", sa.Boolean),
            sa.Column("facts", sa.String),
            sa.Column("columns", sa.String, nullable=False),
            sa.Column("fence", sa.BigInteger, nullable=False, default=0),
            sa.Column("lease_owner", sa.String),
            sa.Column("lease_until", UtcDateTime),
            sa.Column("approved_plan", sa.String),
            sa.Column("sizes", sa.String),
            # Unlike `sizes`, a reconciliation leaves this alone.
            sa.Column("members_delivered", sa.BigInteger),
        )
        self.sync = self._table(
            "sync",
            sa.Column("id", sa.String, primary_key=True),
            sa.Column("activation", sa.String, nullable=False, index=not self._is_columnar),
            sa.Column("partition", sa.String),
            sa.Column("as_of", UtcDateTime, nullable=False),
            sa.Column("state", sa.String, nullable=False),
            sa.Column("started_at", UtcDateTime, nullable=False),
            sa.Column("ended_at", UtcDateTime),
            sa.Column("segment_version", sa.String),
            sa.Column("report", sa.String),
            sa.Column("error", sa.String),
            # From customers to rows, of a campaign's list: counted when it was planned, whatever became of the plan.
            sa.Column("reach", sa.String),
        )
        self.batch = self._table(
            "batch",
            sa.Column("sync", sa.String, primary_key=True),
            sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("operation", sa.String, nullable=False),
            sa.Column("last", sa.BigInteger, nullable=False),
            sa.Column("status", sa.String, nullable=False),
            sa.Column("sent_at", UtcDateTime),
            sa.Column("answered_at", UtcDateTime),
        )
        self.outcome = self._table(
            "outcome",
            sa.Column("sync", sa.String, primary_key=not self._is_columnar, nullable=False),
            sa.Column("identifier", sa.String, primary_key=not self._is_columnar, nullable=False),
            sa.Column("status", sa.String, nullable=False),
            sa.Column("vendor_id", sa.String),
            sa.Column("recheck", sa.String),
            ordered=True,
        )
        self.rejection = self._table(
            "rejection",
            sa.Column("activation", sa.String, nullable=False, index=not self._is_columnar),
            sa.Column("sync", sa.String, nullable=False),
            sa.Column("identifier", sa.String, nullable=False),
            sa.Column("channel", sa.String),
            sa.Column("operation", sa.String, nullable=False),
            sa.Column("reason", sa.String, nullable=False),
            sa.Column("detail", sa.String),
            sa.Column("recheck", sa.String, nullable=False),
            # The newest consent known at the refusal: a newer one opens the member again, however late it was loaded.
            sa.Column("consent_at", UtcDateTime),
            sa.Column("attempts", sa.BigInteger, nullable=False),
            sa.Column("first_seen", UtcDateTime, nullable=False),
            sa.Column("last_seen", UtcDateTime, nullable=False),
        )
        self.consent_log = self._table(
            "consent_log",
            sa.Column("sync", sa.String, nullable=False),
            sa.Column("activation", sa.String, nullable=False),
            sa.Column("destination", sa.String, nullable=False),
            sa.Column("identifier", sa.String, nullable=False, index=not self._is_columnar),
            sa.Column("user_key", sa.String),
            sa.Column("channel", sa.String, nullable=False),
            sa.Column("address", sa.String),
            sa.Column("status", sa.String, nullable=False),
            sa.Column("basis", sa.String, nullable=False),
            sa.Column("consented_at", UtcDateTime),
            sa.Column("changed", sa.Boolean, nullable=False),
            sa.Column("certain", sa.Boolean, nullable=False),
            sa.Column("request_id", sa.String),
            sa.Column("logged_at", UtcDateTime, nullable=False),
        )
        self.reconciliation = self._table(
            "reconciliation",
            sa.Column("activation", sa.String, primary_key=True),
            sa.Column("reconciled_at", UtcDateTime, primary_key=True),
            sa.Column("at_vendor", sa.BigInteger, nullable=False),
            sa.Column("in_both", sa.BigInteger, nullable=False),
            sa.Column("missing", sa.BigInteger, nullable=False),
            sa.Column("unconfirmed", sa.BigInteger, nullable=False),
            sa.Column("undecided", sa.BigInteger, nullable=False),
            sa.Column("not_ours", sa.BigInteger, nullable=False),
            sa.Column("applied", sa.Boolean, nullable=False),
            sa.Column("asked_by_us", sa.BigInteger),
        )
        index = not self._is_columnar
        self.campaign_run = self._table("campaign_run", *campaign_columns.campaign_run(index=index))
        self.campaign_split = self._table("campaign_split", *campaign_columns.campaign_split(index=index))
        # Proofs of erasure: whom they are about can be checked, not read.
        self.forgotten = self._table(
            "forgotten",
            sa.Column("forgotten_at", UtcDateTime, nullable=False),
            sa.Column("kind", sa.String, nullable=False),
            sa.Column("method", sa.String, nullable=False),
            sa.Column("salt", sa.String, nullable=False),
            sa.Column("digest", sa.String, nullable=False),
            sa.Column("rows", sa.String, nullable=False),
        )

    @property
    def _is_columnar(self) -> bool:
        return self.engine.dialect.name not in ("sqlite", "postgresql")

    def table_name(self, name: str) -> str:
        """The name of one of our tables as this warehouse has it, without a schema."""
        name = _short(name)
        return name if self._has_schemas else f"{self.namespace}_{name}"

    def _table(self, name: str, *columns: sa.Column[Any], ordered: bool = False, unique: str = "") -> sa.Table:
        """Declare a table. `ordered` clusters SQLite rows by their key, so that diffs are ordered scans.

        `unique` is a column with an index of its own, where there are indexes.
        The same declaration is the same object: a statement's SQL is kept for the tables it was compiled with.
        """
        full = self.table_name(name)
        declaration = (full, *map(_declaration, columns))
        if declaration not in self._declared:
            known = self.metadata.tables.get(f"{self.metadata.schema}.{full}" if self.metadata.schema else full)
            if known is not None:
                self.metadata.remove(known)
            table = sa.Table(full, self.metadata, *columns, sqlite_with_rowid=not ordered)
            if unique and not self._is_columnar:
                sa.Index(_short(f"ix_{full}_{unique}"), table.c[unique], unique=True)
            self._declared[declaration] = table
        return self._declared[declaration]

    def create(self) -> None:
        """Create what is missing and bring an older state up to date. Raises WarehouseError for a newer one."""
        with self.engine.begin() as connection:
            # Programs that start together would create the same tables.
            one_at_a_time(connection, self.namespace)
            if self._has_schemas:
                ensure_schema(connection, self.namespace)
            present = set(sa.inspect(connection).get_table_names(schema=self.metadata.schema))
            found = None
            if self.version.name in present:
                found = connection.scalar(sa.select(sa.func.max(self.version.c.version)))
            if found is not None and found > VERSION:
                raise WarehouseError(
                    f"The state in {self.namespace!r} has version {found}, this program knows {VERSION}: "
                    "update audience-assets."
                )
            # All names were asked for at once: every command begins here, and a warehouse may be far away.
            for table in self.metadata.sorted_tables:
                if table.name not in present:
                    table.create(connection, checkfirst=False)
            if found != VERSION:
                self._add_missing_columns(connection)
                applied = datetime.now(UTC)
                connection.execute(self.version.insert().values(version=VERSION, applied_at=applied))

    def _add_missing_columns(self, connection: Connection) -> None:
        inspector = sa.inspect(connection)
        for table in self.metadata.tables.values():
            present = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
            ensure_columns(connection, table, present)

    def segment(self, name: str, key_type: str) -> sa.Table:
        """Present members of an audience: user_key, entered_at.

        An audience is a segment or a campaign's treatment group, `campaign.sub_audience.group`.
        """
        return self._keyed(audience_table(name), key_type, sa.Column("entered_at", UtcDateTime, nullable=False))

    def assignment(self, campaign: str, key_type: str) -> sa.Table:
        """Who was given which group of a campaign, once and for all."""
        keyed = not self._is_columnar
        columns = campaign_columns.assignment(KEY_TYPES[key_type], keyed=keyed)
        return self._table(f"assignment_{campaign}", *columns, ordered=True)

    def recipient(self, campaign: str, key_type: str) -> sa.Table:
        """Present recipients of a campaign, its control included."""
        columns = campaign_columns.recipient(KEY_TYPES[key_type], keyed=not self._is_columnar)
        return self._table(f"recipient_{campaign}", *columns, ordered=True)

    def held_out(self, campaign: str, key_type: str) -> sa.Table:
        """Whom the universal holdout kept from a campaign, once and for all."""
        columns = campaign_columns.held_out(KEY_TYPES[key_type], keyed=not self._is_columnar)
        return self._table(f"held_out_{campaign}", *columns, ordered=True)

    def segment_staging(self, name: str, key_type: str) -> sa.Table:
        """Where a refresh puts the new members before it compares them."""
        return self._keyed(f"staging_{name}", key_type)

    def uploaded_list(self, name: str, key_type: str) -> sa.Table:
        """Keys of an uploaded list."""
        return self._keyed(f"uploaded_{name}", key_type)

    def _sequence_column(self) -> sa.Column[Any]:
        """The number of a change. SQLite's row number costs nothing; elsewhere the plan counts."""
        if self.engine.dialect.name == "sqlite":
            return sa.Column("seq", sa.Integer, primary_key=True)
        return sa.Column("seq", sa.BigInteger, nullable=False)

    def _keyed(self, name: str, key_type: str, *columns: sa.Column[Any]) -> sa.Table:
        key = sa.Column(
            "user_key",
            KEY_TYPES[key_type],
            primary_key=not self._is_columnar,
            autoincrement=False,
            nullable=False,
        )
        return self._table(name, key, *columns, ordered=True)

    def list_tables(
        self, activation: str, key_type: str, columns: Sequence[MappedColumn], channels: Sequence[str] = ()
    ) -> ListTables:
        """The ledger and the change table of one destination list."""
        indexed = not self._is_columnar
        key = KEY_TYPES[key_type]
        values = [sa.Column(column.column, FIELD_TYPES[column.field_type]) for column in columns]
        previous = [sa.Column(column.previous, FIELD_TYPES[column.field_type]) for column in columns]
        ledger = self._table(
            f"list_{activation}",
            sa.Column("user_key", key, primary_key=indexed, autoincrement=False, nullable=False),
            sa.Column("identifier", sa.String, primary_key=indexed, nullable=False),
            # Must be looked at by the next plan whatever its values: absent, in doubt, or due for another try.
            sa.Column("due", sa.SmallInteger, nullable=False),
            *values,
            sa.Column("vendor_id", sa.String),
            sa.Column("status", sa.String, nullable=False),
            sa.Column("recheck", sa.String),
            sa.Column("since", UtcDateTime),
            sa.Column("synced_at", UtcDateTime),
            # Where people join once they confirm: a reconciliation has seen the member in the vendor's list.
            sa.Column("listed_at", UtcDateTime),
            ordered=True,
            unique="identifier",
        )
        evidence = [
            column
            for channel in channels
            for column in (
                sa.Column(f"{channel}_status", sa.String),
                sa.Column(f"{channel}_at", UtcDateTime),
                sa.Column(f"{channel}_own", UtcDateTime),
                sa.Column(f"{channel}_own_address", sa.String),
            )
        ]
        change = self._table(
            f"change_{activation}",
            self._sequence_column(),
            sa.Column("operation", sa.String, nullable=False),
            sa.Column("user_key", key, nullable=False),
            sa.Column("identifier", sa.String),
            sa.Column("vendor_id", sa.String),
            # 1 of a removal: they leave the list to enter it again.
            sa.Column("enters_again", sa.SmallInteger),
            *(sa.Column(column.name, column.type) for column in values),
            *previous,
            *evidence,
            # No key but SQLite's: a plan of many changes is written faster where the index is made after them.
            unique="" if self.engine.dialect.name == "sqlite" else "seq",
        )
        duplicate = self._table(
            f"duplicate_{activation}",
            sa.Column("identifier", sa.String, primary_key=indexed, nullable=False),
            sa.Column("keep", key),
            sa.Column("users", sa.BigInteger),
            ordered=True,
        )
        return ListTables(ledger, change, duplicate, tuple(columns), tuple(channels))


def audience_table(name: str) -> str:
    """What the table of a segment's or a treatment group's members is called."""
    if "." in name:
        # The words between the dots hold no two underscores in a row, so these names are apart as those are.
        return f"group_{name.replace('.', '__')}"
    # No name begins with _, so this table has a name of its own beside segment_run and segment_history.
    return f"segment__{name}" if name in ("run", "history") else f"segment_{name}"


def _declaration(column: sa.Column[Any]) -> tuple[object, ...]:
    kind = column.type
    return column.name, type(kind), repr(kind), column.primary_key, column.nullable


def _short(name: str) -> str:
    """A name that no warehouse cuts: cut names could become equal."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def encode_columns(columns: Sequence[MappedColumn]) -> str:
    """The mapping as the `destination_list` row keeps it."""
    return json.dumps([[column.attribute, column.column, column.field_type] for column in columns])


def decode_columns(text: str) -> list[MappedColumn]:
    return [MappedColumn(*row) for row in json.loads(text)]


class _AddColumn(sa.schema.ExecutableDDLElement):
    """ALTER TABLE ... ADD COLUMN, which SQLAlchemy leaves to migration tools."""

    def __init__(self, column: sa.Column[Any]) -> None:
        self.column = column


@compiles(_AddColumn)
def _add_column(element: _AddColumn, compiler: DDLCompiler, **kw: Any) -> str:
    column, names = element.column, compiler.preparer
    kind = compiler.dialect.type_compiler_instance.process(column.type, **kw)
    return f"ALTER TABLE {names.format_table(column.table)} ADD COLUMN {names.format_column(column)} {kind}"


def ensure_columns(connection: Connection, table: sa.Table, present: set[str]) -> None:
    """Add the columns that a table lacks, by a changed mapping or a newer release; they are NULL in its rows."""
    for column in table.columns:
        if column.name not in present:
            connection.execute(_AddColumn(column))

"""Column types of our own tables: the same meaning in every dialect."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An instant, stored as UTC without a zone, because not every dialect has a zoned timestamp.

    A timestamp of the warehouse that has no zone is taken for UTC. SQLite keeps timestamps as text in whatever
    spelling their writer chose, so every ISO 8601 spelling is read there.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.String() if dialect.name == "sqlite" else sa.DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        instant = value.astimezone(UTC).replace(tzinfo=None)
        return instant.isoformat(" ", "microseconds") if dialect.name == "sqlite" else instant

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class CalendarDate(sa.types.TypeDecorator[date]):
    """A day. SQLite tools often store one as text with a midnight behind it; both spellings are read."""

    impl = sa.Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.String() if dialect.name == "sqlite" else sa.Date())

    def process_bind_param(self, value: date | None, dialect: Dialect) -> date | str | None:
        return value.isoformat() if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        del dialect
        if isinstance(value, str):
            return date.fromisoformat(value[:10])
        return value.date() if isinstance(value, datetime) else value


# Where there is no uuid type the key stays the text it is: SQLAlchemy would drop its hyphens and find nobody.
UUID = sa.Uuid(as_uuid=False).with_variant(sa.String(), "sqlite", "snowflake", "bigquery", "redshift")

KEY_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "integer": sa.BigInteger(),
    "text": sa.String(),
    "uuid": UUID,
}

FIELD_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "text": sa.String(),
    "integer": sa.BigInteger(),
    # Double: plain Float is a 4-byte number on DuckDB.
    "number": sa.Double(),
    "boolean": sa.Boolean(),
    "date": CalendarDate(),
    "timestamp": UtcDateTime(),
    "uuid": UUID,
    "list": sa.String(),
}

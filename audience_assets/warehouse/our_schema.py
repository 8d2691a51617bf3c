"""The schema that holds our tables."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.errors import WarehouseError


def ensure_schema(connection: Connection, name: str) -> None:
    """Make the schema, unless it is there: Postgres asks for the right to create one even IF NOT EXISTS."""
    if connection.dialect.name == "postgresql" and sa.inspect(connection).has_schema(name):
        return
    try:
        connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))
    except sa.exc.ProgrammingError as error:
        raise WarehouseError(
            f"Our tables need a schema of their own: {error.orig}. Have it made by somebody who may: "
            f"CREATE SCHEMA {name} AUTHORIZATION the_user_in_the_url"
        ) from error

"""May our tables be made and written? Tried in a transaction that is taken back."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.exc import DBAPIError

from audience_assets.errors import WarehouseError
from audience_assets.warehouse.our_schema import ensure_schema
from audience_assets.warehouse.state import VERSION, State

# Elsewhere a table that was made stays, whatever becomes of the transaction.
TAKES_TABLES_BACK = ("sqlite", "duckdb", "postgresql")


def rehearse_writing(state: State) -> bool:
    """Whether it could be tried here; nothing stays. Raises WarehouseError with what the user in the url may not do."""
    if state.engine.dialect.name not in TAKES_TABLES_BACK:
        return False
    with state.engine.connect() as connection:
        trial = connection.begin()
        try:
            if state.metadata.schema:
                ensure_schema(connection, state.metadata.schema)
            state.version.create(connection, checkfirst=True)
            connection.execute(state.version.insert().values(version=VERSION, applied_at=datetime.now(UTC)))
        except DBAPIError as error:
            what = str(error.orig).strip().splitlines()[0]
            raise WarehouseError(
                f"{what}: our state is kept in {state.namespace!r} there, and the user in the url has to make tables "
                "in it and write them"
            ) from error
        finally:
            trial.rollback()
    return True

"""Everything that our tables hold, to look for people in it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.runtime import Runtime

# Leases and figures move by themselves.
NOT_PEOPLE = ("destination_list", "sync", "batch", "segment_run", "insight", "schema_version", "reconciliation")


def memory(runtime: Runtime) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> rows, of all our tables that may name somebody."""
    state, found = runtime.state, {}
    left_out = {state.table_name(name) for name in NOT_PEOPLE}
    with runtime.engine.connect() as connection:
        for name in sa.inspect(connection).get_table_names(schema=state.metadata.schema):
            if name.startswith(state.table_name("")) and name not in left_out:
                table = sa.table(name, schema=state.metadata.schema)
                rows = connection.execute(sa.select(sa.text("*")).select_from(table)).all()
                found[name] = sorted((tuple(row) for row in rows), key=repr)
    return found


def remembers(runtime: Runtime, *texts: str) -> set[str]:
    """Tables that hold one of these texts, in any row and whatever its capitals."""
    return {
        name
        for name, rows in memory(runtime).items()
        if any(text.lower() in repr(row).lower() for text in texts for row in rows)
    }

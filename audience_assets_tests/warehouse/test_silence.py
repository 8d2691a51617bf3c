"""A failing statement's values are people's addresses: they reach no error and no table of ours."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.sync import latest_syncs
from audience_assets_tests.sync.world import make_world


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_failing_statement_tells_no_address(
    make_warehouse: Callable[[str], Engine], tmp_path: Path, kind: str
) -> None:
    world = make_world(tmp_path, make_warehouse(kind))
    world.set_people({1: ("ann@example.com", None, 1), 2: ("bob@example.com", None, 1)}, (1, 2))
    world.vendor.refuse("ann@example.com")
    rejection = world.runtime.state.rejection
    with world.runtime.engine.begin() as connection:
        # Any row that breaks a rule will do; a warehouse in trouble finds its own.
        connection.execute(sa.schema.CreateIndex(sa.Index("one_reason", rejection.c.reason, unique=True)))
        old = {"activation": "other", "sync": "s", "identifier": "x", "operation": "add", "reason": "refused"}
        times = {"first_seen": world.runtime.now(), "last_seen": world.runtime.now()}
        connection.execute(rejection.insert().values(**old, **times, recheck="when_changed", attempts=1))
    with pytest.raises(sa.exc.IntegrityError) as raised:
        world.sync()
    told = "".join(traceback.format_exception(raised.value)) + str(latest_syncs(world.runtime)["vips"]["error"])
    assert "ann@example.com" not in told
    assert "bob@example.com" not in told

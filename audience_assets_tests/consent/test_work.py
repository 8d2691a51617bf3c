"""What evidence costs: twice the people take twice the work, not four times."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.sync import plan_sync
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, CONSENTS, USERS
from audience_assets_tests.sync.live_list import LiveList, live_lists

# SQLite's instructions are counted in steps of so many.
STEP = 100


@contextmanager
def instructions(engine: Engine) -> Iterator[Callable[[], int]]:
    """How many SQLite has carried out on connections opened from now on."""
    counted = [0]

    def count() -> int:
        counted[0] += STEP
        return 0

    def watch(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_progress_handler(count, STEP)

    engine.dispose()
    sa.event.listen(engine, "connect", watch)
    try:
        yield lambda: counted[0]
    finally:
        sa.event.remove(engine, "connect", watch)
        engine.dispose()


def know(target: LiveList, first: int, last: int) -> None:
    """Users who all opted in once."""
    segment = target.runtime.state.segment("vips", "integer")
    numbers = range(first, last)
    at = target.now
    with target.engine.begin() as connection:
        connection.execute(USERS.insert(), [{"id": n, "email": f"person{n}@x.com"} for n in numbers])
        said = {"channel": "email", "status": "subscribed", "at": at}
        connection.execute(CONSENTS.insert(), [{"id": n, "user_id": n, **said} for n in numbers])
        connection.execute(segment.insert(), [{"user_key": n, "entered_at": at} for n in numbers])


def test_twice_the_people_take_twice_the_work(tmp_path: Path, make_warehouse: Callable[[str], Engine]) -> None:
    with live_lists(tmp_path, make_warehouse) as make:
        target = make(import_history=True)
        work: list[int] = []
        for first, last in ((0, 500), (500, 1000)):
            know(target, first, last)
            with instructions(target.engine) as carried_out:
                assert plan_sync(target.runtime, ACTIVATION, as_of=target.now).counts.add == last
                work.append(carried_out())
    assert work[0] > 500
    assert work[1] < 2.5 * work[0]

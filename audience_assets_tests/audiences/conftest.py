"""The shop, loaded once a module into each kind of warehouse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.compiler import compile_segment
from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.state import State
from audience_assets_tests.audiences.evaluator import World
from audience_assets_tests.audiences.shop import AS_OF, load, shop_project, shop_rows, shop_state
from audience_assets_tests.conftest import file_url, fresh_postgres


@dataclass(repr=False)
class Shop:
    """One warehouse that holds the shop and the state that conditions read."""

    engine: Engine
    state: State
    world: World

    def __repr__(self) -> str:
        """Short: a failing property prints it."""
        return f"<shop in {self.engine.dialect.name}>"

    def members(self, definition: dict[str, Any], **segments: Any) -> list[int]:
        """Keys of the members of a segment that is defined so, as the warehouse finds them."""
        project = shop_project({"tested": definition, **segments})
        with self.engine.connect() as connection:
            return list(connection.scalars(compile_segment(project, "tested", AS_OF, state=self.state)))


def shop_world() -> World:
    """The shop's rows, some membership history and an uploaded list."""
    days = [timedelta(days=n) for n in (0, 1, 6, 30, 400)]
    return World(
        rows=shop_rows(),
        entered={name: {key: AS_OF - days[key % 5] for key in range(start, 30, 2)} for name, start in FIRST_KEY},
        left=[(name, key, AS_OF - days[key % 5]) for name, start in FIRST_KEY for key in range(start, 50, 3)],
        lists={"friends": set(range(1, 60, 4))},
        runs={"spring": [AS_OF - days[3], AS_OF - days[2], AS_OF + days[1]], "summer": [AS_OF]},
        sent={
            name: [
                (key, key % 3 == 0, AS_OF - days[-1 - key % 2], AS_OF - days[key % 4] if key % 2 else None)
                for key in range(start, 50, 5)
            ]
            for name, start in (("spring", 2), ("summer", 3))
        },
    )


FIRST_KEY = (("staff", 1), ("regulars", 4))


def _fill_state(engine: Engine, world: World) -> State:
    state = shop_state(engine)
    for name, sent in world.sent.items():
        _fill_campaign(engine, state, name, world.runs[name], sent)
    with engine.begin() as connection:
        for name, entered in world.entered.items():
            table = state.segment(name, "integer")
            table.create(connection)
            rows = [{"user_key": key, "entered_at": at} for key, at in entered.items()]
            connection.execute(sa.insert(table), rows)
        connection.execute(
            sa.insert(state.segment_history),
            [
                {"segment": name, "user_key": str(key), "entered_at": at - timedelta(days=9), "left_at": at}
                for name, key, at in world.left
            ],
        )
        uploaded = state.uploaded_list("friends", "integer")
        uploaded.create(connection)
        connection.execute(sa.insert(uploaded), [{"user_key": key} for key in world.lists["friends"]])
    return state


def _fill_campaign(
    engine: Engine,
    state: State,
    name: str,
    runs: list[datetime],
    sent: list[tuple[int, bool, datetime, datetime | None]],
) -> None:
    ledger, recipient, run = state.assignment(name, "integer"), state.recipient(name, "integer"), state.campaign_run
    given = {"sub_audience": "Remaining", "group_name": "A", "bucket": 1, "split_version": 1}
    numbers = {column.name: 0 for column in run.columns if isinstance(column.type, sa.BigInteger | sa.Double)}
    words = {"campaign": name, "definition_hash": "", "counts": "{}", "version": "1"}
    with engine.begin() as connection:
        ledger.create(connection)
        recipient.create(connection)
        for number, at in enumerate(runs):
            connection.execute(run.insert().values(id=f"{name}{number}", as_of=at, **words, **numbers))
        for key, control, came, left in sent:
            who = {"user_key": key, "is_control": control, **given}
            connection.execute(ledger.insert().values(**who, assigned_at=came, last_seen_at=left))
            if left is None:
                connection.execute(recipient.insert().values(**who, since=came))


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[dict[str, Shop]]:
    """The shop in each kind of warehouse; tests only read it."""
    folder = tmp_path_factory.mktemp("shops")
    with contextlib.ExitStack() as stack:
        urls = {kind: file_url(kind, folder / f"{kind}.db") for kind in ("sqlite", "duckdb")}
        urls["postgresql"] = stack.enter_context(fresh_postgres(postgres_url))
        found = {}
        for kind, url in urls.items():
            engine = open_warehouse(url)
            stack.callback(engine.dispose)
            world = shop_world()
            load(engine, world.rows)
            found[kind] = Shop(engine, _fill_state(engine, world), world)
        yield found


@pytest.fixture(params=("sqlite", "duckdb", "postgresql"))
def shop(request: pytest.FixtureRequest, shops: dict[str, Shop]) -> Shop:
    """The shop in one kind of warehouse, each in turn."""
    return shops[request.param]

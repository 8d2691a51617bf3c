"""A campaign's recipients and the audiences of its treatment groups, on each kind of warehouse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.stored import NotComputed, expect_computed
from audience_assets.errors import WarehouseError
from audience_assets.warehouse.functions import bucket_of
from audience_assets_tests.campaigns.people import (
    NOON,
    PARIS,
    PEOPLE,
    Town,
    adults_of,
    campaign,
    groups,
    project_of,
)

LATER = NOON + timedelta(days=1)
BY_HASH: dict[str, Any] = {"split": {"method": "hash"}}


@pytest.fixture
def town(warehouse: Engine) -> Town:
    return Town.on(warehouse, adults_of(["paris", "lyon"], 200))


def group_by_bucket(key: int, salt: str = "spring", control: int = 1000) -> str:
    return "control" if bucket_of(salt, key) < control else "A"


def test_everybody_gets_the_group_of_their_bucket(town: Town) -> None:
    run = town.refresh(campaign(**BY_HASH))
    expected = {key: group_by_bucket(key) for key in range(1, 201)}
    assert town.groups_of() == expected
    assert town.audience("spring.remaining.a") == {key for key, group in expected.items() if group == "A"}
    control = sum(group == "control" for group in expected.values())
    assert run.counts == {"Remaining": {"control": control, "A": 200 - control}}
    assert (run.included, run.size, run.entered, run.left) == (200, 200, 200, 0)
    assert run.groups["spring.remaining.a"].size == 200 - control
    row = next(row for row in town.recipients() if row["user_key"] == 1)
    assert (row["bucket"], row["sub_audience"], row["split_version"]) == (bucket_of("spring", 1), "Remaining", 1)
    assert row["since"] == NOON


def test_a_group_is_an_audience_as_a_segment_is(town: Town) -> None:
    first = town.refresh(campaign(**BY_HASH)).groups["spring.remaining.a"]
    again = town.refresh(campaign(**BY_HASH), LATER)
    assert again.groups["spring.remaining.a"].version == first.version
    assert (again.entered, again.left) == (0, 0)
    leaver = min(town.audience("spring.remaining.a"))
    town.set_people({key: person for key, person in adults_of(["paris"], 200).items() if key != leaver})
    last = town.refresh(campaign(**BY_HASH), LATER + timedelta(days=1))
    assert last.groups["spring.remaining.a"].version != first.version
    assert (last.left, last.groups["spring.remaining.a"].left) == (1, 1)
    [closed] = town.rows(town.state.segment_history)
    assert (closed["segment"], closed["user_key"], closed["entered_at"]) == ("spring.remaining.a", str(leaver), NOON)
    [seen] = [row for row in town.ledger() if row["last_seen_at"]]
    assert (seen["user_key"], seen["last_seen_at"]) == (leaver, LATER)
    runs = [row for row in town.rows(town.state.segment_run) if row["segment"] == "spring.remaining.a"]
    assert len(runs) == 3


def test_who_comes_back_has_the_group_they_had(town: Town) -> None:
    before = (town.refresh(campaign(split={"method": "exact"})), town.groups_of())[1]
    town.set_people(adults_of(["paris"], 20))
    town.refresh(campaign(split={"method": "exact"}), LATER)
    town.set_people(adults_of(["paris"], 300))
    town.refresh(campaign(split={"method": "exact"}), LATER + timedelta(days=1))
    after = town.groups_of()
    assert {key: after[key] for key in before} == before
    assert len(after) == 300
    assert sum(group == "control" for group in after.values()) == 30


def test_a_bad_key_stops_the_refresh_and_changes_nothing(town: Town) -> None:
    town.refresh(campaign())
    before = (town.recipients(), town.ledger(), town.rows(town.state.campaign_run))
    for key, words in ((None, "people.id .* is missing"), (7, "people.id .* is not unique")):
        with town.engine.begin() as connection:
            connection.execute(PEOPLE.insert().values(id=key, city="nice", age=40))
        with pytest.raises(WarehouseError, match=words):
            town.refresh(campaign(sub_audiences=[{"name": "P", "where": PARIS, "groups": groups()}]), LATER)
        with town.engine.begin() as connection:
            connection.execute(PEOPLE.delete().where(PEOPLE.c.city == "nice"))
    assert (town.recipients(), town.ledger(), town.rows(town.state.campaign_run)) == before


def test_a_list_before_the_first_run_says_how_to_compute_the_campaign(town: Town) -> None:
    with (
        town.engine.connect() as connection,
        pytest.raises(NotComputed, match=r"campaign spring was never computed.*campaign recipients spring"),
    ):
        expect_computed(connection, town.state, project_of(campaign()), ["spring.remaining.a"])


def test_nothing_is_split_where_buckets_differ(town: Town) -> None:
    if town.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite's md5 is a function that can be another")

    def other(connection: sa.Connection) -> None:
        connection.connection.dbapi_connection.create_function("aa_md5_u32", 1, len)  # type: ignore[union-attr]

    sa.event.listen(town.engine, "begin", other)
    with pytest.raises(WarehouseError, match="works out other buckets"):
        town.refresh(campaign())
    assert town.rows(town.state.campaign_split) == []

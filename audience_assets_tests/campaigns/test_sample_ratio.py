"""Sizes of groups after percentages changed: sound splits pass, and splits that have lost people do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.campaigns.results import PartResult, campaign_results
from audience_assets_tests.campaigns.people import NOON, Town, adults_of, campaign, groups
from audience_assets_tests.campaigns.purchases import measured_project, set_orders
from audience_assets_tests.campaigns.test_results import AFTER
from audience_assets_tests.conftest import WAREHOUSES

HOUR = timedelta(hours=1)
# People known until then, and the percentages since.
DAYS = [(300, ("10", "90")), (700, ("30", "70")), (1000, ("10", "90")), (1200, ("50", "50"))]


@pytest.fixture
def town(make_warehouse: Any) -> Town:
    town = Town.on(make_warehouse(WAREHOUSES[0]))
    set_orders(town.engine, [])
    return town


def split(town: Town, days: Sequence[tuple[int, tuple[str, ...]]], **how: Any) -> PartResult:
    """People come day by day, and are split as it is said then."""
    for number, (people, shares) in enumerate(days):
        town.set_people(adults_of(["paris"], people))
        town.refresh(declared(shares, **how), NOON + number * HOUR)
    return measured(town, declared(days[-1][1], **how))


def declared(shares: tuple[str, ...], **how: Any) -> Any:
    return measured_project(campaign(launch="2026-03-16", split=how, remaining={"groups": groups(*shares)}))


def measured(town: Town, project: Any) -> PartResult:
    [part] = campaign_results(town.engine, town.state, project, "spring", AFTER).parts
    return part


def lose_half_of_the_control(town: Town) -> None:
    ledger = town.state.assignment("spring", "integer")
    with town.engine.begin() as connection:
        connection.execute(sa.delete(ledger).where(ledger.c.is_control.is_(sa.true()), ledger.c.user_key % 2 == 0))


@pytest.mark.parametrize("method", ["exact", "hash"])
def test_shares_of_every_version_are_expected_of_those_it_split(town: Town, method: str) -> None:
    part = split(town, DAYS, method=method)
    wanted = 30 + 120 + 30 + 100
    assert part.sample_ratio.expected == pytest.approx({"control": wanted, "A": 1200 - wanted})
    assert part.reshared and not part.unchecked and not part.sample_ratio.broken
    if method == "exact":
        assert part.sample_ratio.observed == {"control": wanted, "A": 1200 - wanted}
        assert part.sample_ratio.p == pytest.approx(1.0)
    lose_half_of_the_control(town)
    broken = measured(town, declared(DAYS[-1][1], method=method))
    assert broken.sample_ratio.broken
    assert any("people are missing" in warning for warning in broken.warnings)


def test_who_makes_up_for_those_before_is_told_of_and_not_taken_for_a_mismatch(town: Town) -> None:
    """Under rebalance newcomers are given groups so that everybody's sizes are exact, not their own."""
    part = split(town, DAYS[:2], method="exact", sticky="rebalance")
    newcomers = Counter(row["group_name"] for row in town.ledger() if row["user_key"] > 300)
    assert newcomers["control"] > 0.3 * 400 + 20, "they are not as the percentages say"
    assert (part.sample_ratio.broken, part.sample_ratio.expected, part.unchecked) == (False, {}, 400)
    assert any("400 people came after the groups changed" in warning for warning in part.warnings)
    lose_half_of_the_control(town)
    ledger = town.state.assignment("spring", "integer")
    with town.engine.begin() as connection:
        connection.execute(sa.delete(ledger).where(ledger.c.is_control.is_(sa.true()), ledger.c.user_key <= 300))
    assert measured(town, declared(DAYS[1][1], method="exact", sticky="rebalance")).sample_ratio.broken


def test_groups_that_end_make_those_after_them_follow_no_shares(town: Town) -> None:
    part = split(town, [(300, ("10", "45", "45")), (600, ("10", "90"))], method="exact")
    assert (part.unchecked, part.sample_ratio.broken) == (300, False)
    again = split(town, [(300, ("10", "45", "45")), (600, ("10", "90"))], method="hash", sticky="reshuffle", round=2)
    assert (again.unchecked, again.sample_ratio.broken) == (0, False)


def test_a_control_that_is_renamed_goes_on_and_is_made_up_for_by_nobody(town: Town) -> None:
    split(town, DAYS[:1], method="exact")
    town.set_people(adults_of(["paris"], 600))
    renamed = [{**each, "name": each["name"].replace("control", "untouched")} for each in groups("50")]
    project = measured_project(campaign(launch="2026-03-16", split={"method": "exact"}, remaining={"groups": renamed}))
    town.refresh(project, NOON + HOUR)
    part = measured(town, project)
    assert part.sample_ratio.expected == {"control": 30.0, "untouched": 150.0, "A": 420.0}
    assert part.sample_ratio.observed == part.sample_ratio.expected and part.sample_ratio.p == pytest.approx(1.0)

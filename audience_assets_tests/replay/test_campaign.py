"""A real shop's customers, split into treatments and control, while the audience grows and shrinks for 60 days."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from audience_assets_tests.replay.campaign import CampaignReplay, expected_results, open_campaign_replay
from audience_assets_tests.replay.retail import Retail

# From before Christmas, when the audience grows, over the quiet weeks after it, when it shrinks, into March. A day of
# six is computed; the benchmark computes all.
FIRST, DAYS, STEP = 10, 60, 6
RESHARED = FIRST + 30


@pytest.mark.long
def test_groups_are_stable_over_sixty_days(retail: Retail, sqlite: str, tmp_path: Path) -> None:
    with open_campaign_replay(retail, sqlite, tmp_path / "project", launch=FIRST + 1) as replay:
        days = []
        for number in range(FIRST, FIRST + DAYS + 1, STEP):
            if number == RESHARED:
                assert_exact(replay)
                replay.change_shares(30)
            days.append(replay.play(number))
        assert [day for day in days if not day.is_sound] == []
        changes = [after.run.size - before.run.size for before, after in pairwise(days)]
        assert min(changes) < 0 < max(changes)
        assert sum(day.came_back for day in days) > 0
        assert days[-1].run.split_version == 2
        assert_results(replay, FIRST + DAYS)


def assert_exact(replay: CampaignReplay) -> None:
    """Of everybody who was ever given a group, as many have each as the shares say."""
    for part, shares in (("Abroad", {"control": 20}), ("Kingdom", {"control": 10, "Bunting": 45, "Lights": 45})):
        groups = [group for sub_audience, group in replay.given.values() if sub_audience == part]
        for group, share in shares.items():
            assert abs(groups.count(group) - len(groups) * share / 100) <= 1


def assert_results(replay: CampaignReplay, day: int) -> None:
    """Recipients, purchasers, invoices, revenue and items of each group equal those of pandas."""
    results, expected = replay.results(day), expected_results(replay)
    assert results.complete
    found = {(part.name, group.outcome.group): group.outcome for part in results.parts for group in part.groups}
    assert set(found) == set(expected)
    for key, outcome in found.items():
        row = expected[key]
        assert (outcome.recipients, outcome.purchasers) == (row["recipients"], row["purchasers"])
        assert (outcome.orders, outcome.items) == (row["orders"], row["items"])
        assert outcome.revenue == pytest.approx(row["thousandths"] / 1000)

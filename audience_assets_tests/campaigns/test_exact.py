"""Exact allocation is what one gets by sending newcomers one after another to the group with the largest deficit."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_assets.campaigns.exact import allocate, allocate_strata, surplus
from audience_assets_tests.campaigns.test_bucket_map import wanted

taken_by = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(0, 40))


def one_by_one(quotas: Mapping[str, int], taken: Mapping[str, int], newcomers: int) -> dict[str, int]:
    total = sum(taken.get(group, 0) for group in quotas) + newcomers
    given_to = dict.fromkeys(quotas, 0)
    for _ in range(newcomers):
        neediest = max(
            quotas,
            key=lambda group: Fraction(quotas[group] * total, 10_000) - taken.get(group, 0) - given_to[group],
        )
        given_to[neediest] += 1
    return given_to


@given(wanted(), taken_by, st.integers(0, 60))
def test_it_is_the_same_as_one_by_one(quotas: dict[str, int], taken: dict[str, int], newcomers: int) -> None:
    assert allocate(quotas, taken, newcomers) == one_by_one(quotas, taken, newcomers)


@given(wanted(), st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_sizes_stay_exact_while_an_audience_grows(quotas: dict[str, int], days: list[int]) -> None:
    taken: dict[str, int] = {}
    for newcomers in days:
        for group, number in allocate(quotas, taken, newcomers).items():
            taken[group] = taken.get(group, 0) + number
    total = sum(days)
    for group, quota in quotas.items():
        assert abs(taken[group] - quota * total / 10_000) < 2


@pytest.mark.parametrize(("people", "sizes"), [(10, [1, 5, 4]), (100, [10, 45, 45]), (0, [0, 0, 0])])
def test_small_audiences(people: int, sizes: list[int]) -> None:
    assert list(allocate({"control": 1000, "A": 4500, "B": 4500}, {}, people).values()) == sizes


@given(wanted(), st.lists(st.lists(st.integers(1, 4), max_size=60), min_size=1, max_size=3))
def test_rounding_evens_out_over_strata_of_a_few_people(quotas: dict[str, int], days: list[list[int]]) -> None:
    taken: dict[str, dict[str, int]] = {}
    for day in days:
        given = allocate_strata(quotas, taken, {str(number): people for number, people in enumerate(day)})
        for stratum, groups in given.items():
            assert sum(groups.values()) == day[int(stratum)]
            before = taken.setdefault(stratum, {})
            taken[stratum] = {group: before.get(group, 0) + number for group, number in groups.items()}
    everybody = sum(map(sum, days))
    for group, quota in quotas.items():
        mine = sum(groups[group] for groups in taken.values())
        assert abs(mine - quota * everybody / 10_000) < len(quotas)
        for groups in taken.values():
            assert abs(groups[group] - quota * sum(groups.values()) / 10_000) < 2


@given(wanted(), taken_by, st.integers(0, 60))
def test_what_is_given_up_is_what_others_lack(quotas: dict[str, int], taken: dict[str, int], newcomers: int) -> None:
    over = surplus(quotas, taken, newcomers)
    left = {group: number - over.get(group, 0) for group, number in taken.items()}
    filled = allocate(quotas, left, newcomers + sum(over.values()))
    everybody = sum(taken.values()) + newcomers
    for group, quota in quotas.items():
        assert abs(left.get(group, 0) + filled[group] - quota * everybody / 10_000) < 2

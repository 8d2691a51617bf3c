"""The formulas equal those of statsmodels and scipy, and their intervals hold what they promise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audience_assets.campaigns.power import chance_of_empty, detectable_mean_lift, detectable_rate_lift
from audience_assets.campaigns.srm import GroupSizes, sample_ratio
from audience_assets.campaigns.statistics import (
    NEAR_ZERO,
    Proportion,
    Sample,
    fieller,
    holm,
    mean_difference,
    mean_lift,
    rate_difference,
    rate_lift,
    rate_p,
    wilson,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsmodels.stats import power as official_power
    from statsmodels.stats import proportion as official
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW


@st.composite
def proportions(draw: st.DrawFn, least: int = 0) -> Proportion:
    size = draw(st.integers(1, 5000))
    return Proportion(draw(st.integers(min(least, size), size)), size)


revenues = st.lists(st.one_of(st.just(0.0), st.floats(0.01, 500)), min_size=2, max_size=40).map(np.array)


def sample(values: Any) -> Sample:
    return Sample(len(values), float(values.sum()), float((values**2).sum()))


@given(proportions(), proportions())
def test_the_difference_of_rates_is_newcombes(treated: Proportion, control: Proportion) -> None:
    given_ = (treated.count, treated.size, control.count, control.size)
    expected = official.confint_proportions_2indep(*given_, method="newcomb", compare="diff")
    assert rate_difference(treated, control) == pytest.approx(expected, abs=1e-12)
    assert wilson(treated) == pytest.approx(
        official.proportion_confint(treated.count, treated.size, method="wilson"), abs=1e-9
    )


@given(proportions(1), proportions(1))
def test_the_lift_of_rates_is_that_of_the_log_ratio(treated: Proportion, control: Proportion) -> None:
    given_ = (treated.count, treated.size, control.count, control.size)
    expected = official.confint_proportions_2indep(*given_, method="log", compare="ratio")
    assert rate_lift(treated, control) == pytest.approx([each - 1 for each in expected], rel=1e-9, abs=1e-9)


@given(proportions(), proportions())
def test_the_p_value_of_rates_is_that_of_the_pooled_z_test(treated: Proportion, control: Proportion) -> None:
    found = rate_p(treated, control)
    if treated.count + control.count in (0, treated.size + control.size):
        assert found is None
        return
    _, expected = official.proportions_ztest([treated.count, control.count], [treated.size, control.size])
    assert found == pytest.approx(expected, abs=1e-12)


@given(revenues, revenues)
def test_the_difference_of_means_is_welchs(treated: Any, control: Any) -> None:
    found = mean_difference(sample(treated), sample(control))
    if not sample(treated).variance and not sample(control).variance:
        return
    assert found is not None
    expected = CompareMeans(DescrStatsW(treated), DescrStatsW(control)).tconfint_diff(usevar="unequal")
    assert found.interval == pytest.approx(expected, rel=1e-6, abs=1e-6)
    mine, theirs = ((each.mean(), each.std(ddof=1), len(each)) for each in (treated, control))
    official_p = stats.ttest_ind_from_stats(*mine, *theirs, False).pvalue
    assert found.p == pytest.approx(official_p, rel=1e-6, abs=1e-9)


@given(revenues, revenues)
def test_fiellers_ends_are_the_ratios_that_a_test_just_refuses(treated: Any, control: Any) -> None:
    mine, theirs = sample(treated), sample(control)
    found = fieller(mine, theirs)
    errors = mine.error, theirs.error
    if found is None or None in errors or errors[1] is None or errors[0] is None:
        return
    freedom = (errors[0] + errors[1]) ** 2 / (errors[0] ** 2 / (mine.size - 1) + errors[1] ** 2 / (theirs.size - 1))
    quantile = stats.t.ppf(0.975, freedom)
    for lift in found:
        distance = mine.mean - (1 + lift) * theirs.mean
        assert abs(distance) == pytest.approx(
            quantile * math.sqrt(errors[0] + (1 + lift) ** 2 * errors[1]), rel=1e-5, abs=1e-6
        )


def test_a_ratio_to_a_mean_near_zero_has_the_interval_of_fieller_or_none() -> None:
    treated = Sample(500, 1500.0, 20_000.0)
    steady, shaky, lost = (Sample(500, 1000.0, squares) for squares in (9_000.0, 60_000.0, 2_000_000.0))
    by_logarithm, by_fieller = mean_lift(treated, steady), mean_lift(treated, shaky)
    assert by_logarithm is not None
    assert by_logarithm != fieller(treated, steady)
    assert by_logarithm == pytest.approx(fieller(treated, steady), rel=0.2)
    assert by_fieller is not None
    assert by_fieller == fieller(treated, shaky)
    assert mean_lift(treated, lost) is None
    assert mean_lift(treated, Sample(500, 0.0, 100.0)) is None
    assert NEAR_ZERO < 1


@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 12))
def test_holm_is_that_of_statsmodels_whatever_was_not_tested(values: list[float], gap: int) -> None:
    expected = list(multipletests(values, method="holm")[1])
    assert holm(values) == pytest.approx(expected)
    gap = min(gap, len(values))
    assert holm([*values[:gap], None, *values[gap:]]) == [*holm(values)[:gap], None, *holm(values)[gap:]]


def test_nobody_and_one_person_have_no_interval_and_break_nothing() -> None:
    nobody, somebody = Proportion(0, 10), Proportion(3, 10)
    assert rate_lift(somebody, nobody) is None
    assert rate_lift(nobody, somebody) is None
    assert rate_p(nobody, nobody) is None
    assert rate_difference(nobody, nobody).low < 0 < rate_difference(nobody, nobody).high
    alone, others = Sample(1, 5.0, 25.0), Sample(3, 6.0, 14.0)
    assert mean_difference(alone, others) is None
    assert mean_lift(alone, others) is None
    assert mean_difference(Sample(3, 0.0, 0.0), Sample(3, 0.0, 0.0)) is None


@pytest.mark.parametrize(("treated", "control"), [(0.1, 0.1), (19.99, 19.99), (0.2, 0.1), (1e9 + 0.01, 1e9)])
def test_values_that_are_all_the_same_vary_by_nothing(treated: float, control: float) -> None:
    """Sums of floats leave something over, of which a p-value and an interval could be made."""
    one, other = sample(np.full(3000, treated)), sample(np.full(300, control))
    assert one.variance == other.variance == 0
    assert mean_difference(one, other) is None
    assert mean_lift(one, other) is None


def test_a_lift_of_20_percent_is_inside_the_interval_in_95_percent_of_campaigns() -> None:
    """Newcombe and the log ratio for conversion, Welch and the log ratio for revenue per recipient, zeros included."""
    campaigns = 2000
    hits = dict.fromkeys(("rate difference", "rate lift", "mean difference", "mean lift"), 0)
    for treated, control in _simulated(campaigns, size=4000, base=0.10, lift=0.20):
        rates = Proportion(treated[1], treated[0].size), Proportion(control[1], control[0].size)
        lift, means, ratio = (
            rate_lift(*rates),
            mean_difference(treated[0], control[0]),
            mean_lift(treated[0], control[0]),
        )
        assert lift and means and ratio
        planted = 0.10 * 0.20
        for name, interval, truth in (
            ("rate difference", rate_difference(*rates), planted),
            ("rate lift", lift, 0.20),
            ("mean difference", means.interval, planted * _ORDER),
            ("mean lift", ratio, 0.20),
        ):
            hits[name] += interval.low <= truth <= interval.high
    for name, number in hits.items():
        assert 0.935 <= number / campaigns <= 0.965, name


_ORDER = 40.0  # what an order is worth on average


def _simulated(
    campaigns: int, *, size: int, base: float, lift: float
) -> Iterator[tuple[tuple[Sample, int], tuple[Sample, int]]]:
    """Seeded campaigns with a control of 30 %: revenue of treated and control, and how many purchased."""
    chance = np.random.default_rng(20)

    def group(people: int, rate: float) -> tuple[Sample, int]:
        purchasers = int(chance.binomial(people, rate))
        worth = chance.gamma(shape=2.0, scale=_ORDER / 2, size=purchasers)
        return Sample(people, float(worth.sum()), float((worth**2).sum())), purchasers

    for _ in range(campaigns):
        yield group(int(size * 0.7), base * (1 + lift)), group(int(size * 0.3), base)


@pytest.mark.parametrize(("people", "share"), [(1_000, 0.2), (10_000, 0.1), (10_000, 0.5), (1_000_000, 0.1)])
def test_the_detectable_lift_is_what_statsmodels_gives_a_power_of_80_percent(people: int, share: float) -> None:
    control = round(people * share)
    found = detectable_rate_lift(0.02, people - control, control)
    assert found is not None
    asked = official_power_of_rates(0.02 * found, 0.02, people - control, control)
    assert asked == pytest.approx(0.80, abs=1e-3)


def official_power_of_rates(difference: float, base: float, treated: int, control: int) -> float:
    # Its `prop2` and second group are the reference; `ratio` is the second group's size over the first's.
    found = official.power_proportions_2indep(difference, base, treated, ratio=control / treated)
    return float(found.power)


def test_the_z_test_finds_the_detectable_lift_in_80_percent_of_campaigns() -> None:
    """And the simpler formula, whose error is that of unequal rates throughout, promises more than it keeps."""
    chance, base, treated, control = np.random.default_rng(3), 0.02, 9000, 1000
    lift = detectable_rate_lift(base, treated, control)
    assert lift is not None

    def found(planted: float) -> float:
        campaigns = zip(
            chance.binomial(treated, base * (1 + planted), 4000), chance.binomial(control, base, 4000), strict=True
        )
        values = [rate_p(Proportion(int(a), treated), Proportion(int(b), control)) for a, b in campaigns]
        return sum(p is not None and p < 0.05 for p in values) / len(values)

    assert found(lift) == pytest.approx(0.80, abs=0.02)
    assert found(0.675) < 0.70
    assert found(0.0) == pytest.approx(0.05, abs=0.012)


def test_the_detectable_lift_of_revenue_is_that_of_the_normal_test() -> None:
    found = detectable_mean_lift(2.0, 12.0, 9000, 1000)
    assert found is not None
    effect = found * 2.0 / 12.0
    power = official_power.zt_ind_solve_power(effect_size=effect, nobs1=9000, alpha=0.05, ratio=1000 / 9000)
    assert power == pytest.approx(0.80, abs=1e-6)


def test_what_cannot_be_detected_is_none() -> None:
    assert detectable_rate_lift(0.02, 10, 0) is None
    assert detectable_rate_lift(0.0, 100, 100) is None
    assert detectable_rate_lift(0.9, 4, 4) is None
    assert detectable_mean_lift(0.0, 1.0, 10, 10) is None


def test_the_chance_of_an_empty_control() -> None:
    assert chance_of_empty(30, 0.10) == pytest.approx(0.042, abs=0.001)
    assert chance_of_empty(50, 0.10) == pytest.approx(0.005, abs=0.001)
    assert chance_of_empty(0, 0.10) == 1.0


SHARES = {"control": 10, "socks": 45, "shirts": 45}


@pytest.mark.parametrize(
    ("sizes", "p"), [((100, 900), 1.0), ((120, 880), 0.035), ((10_000, 86_000), 0.00002), ((30, 40), 1e-16)]
)
def test_a_mismatch_of_group_sizes_is_that_of_the_chi_square_test(sizes: tuple[int, int], p: float) -> None:
    found = sample_ratio(
        [GroupSizes(dict(zip(("control", "socks"), sizes, strict=True)), {"control": 10, "socks": 90})]
    )
    expected = stats.chisquare(sizes, [sum(sizes) * 0.1, sum(sizes) * 0.9]).pvalue
    assert found.p == pytest.approx(expected)
    assert found.p == pytest.approx(p, rel=0.2, abs=1e-3 if p > 0.01 else 1e-5)
    assert found.broken == (expected < 0.001)


def test_a_sound_split_is_flagged_once_in_a_thousand_and_a_broken_one_always() -> None:
    chance = np.random.default_rng(5)
    sound = chance.multinomial(10_000, [0.10, 0.45, 0.45], 3000)
    flagged = [sample_ratio([GroupSizes(dict(zip(SHARES, map(int, each), strict=True)), SHARES)]) for each in sound]
    assert sum(each.broken for each in flagged) <= 10
    # A fifth of a treatment went missing on the way.
    lossy = [
        GroupSizes({"control": int(a), "socks": int(b * 0.8), "shirts": int(c)}, SHARES) for a, b, c in sound[:300]
    ]
    assert sum(sample_ratio([each]).broken for each in lossy) == 300


def test_few_people_are_no_mismatch_because_one_of_them_is_in_a_small_control() -> None:
    """The chi-square distribution would flag one in thirty of such campaigns."""
    newcomers = GroupSizes({"control": 1, "socks": 2}, {"control": 1, "socks": 99})
    assert sample_ratio([newcomers]).p == pytest.approx(1 - 0.99**3, rel=0.1)
    earlier = GroupSizes({"control": 100, "socks": 900}, {"control": 10, "socks": 90})
    assert not sample_ratio([earlier, newcomers]).broken
    assert sample_ratio([GroupSizes({"control": 9, "socks": 12}, {"control": 10, "socks": 90})]).broken


def test_a_sound_split_is_flagged_no_more_often_after_its_percentages_changed() -> None:
    """p is as likely below 5 % as above 95 %: the degrees of freedom of the versions add up."""
    chance = np.random.default_rng(6)
    shares = ([10, 45, 45], [30, 35, 35], [50, 50, 0])
    drawn = [
        chance.multinomial(size, np.array(each) / 100, 2000) for size, each in zip((900, 400, 200), shares, strict=True)
    ]
    names = list(SHARES)
    found = [
        sample_ratio(
            [
                GroupSizes(
                    {name: int(number) for name, number in zip(names, its[at], strict=True) if number},
                    {name: share for name, share in zip(names, each, strict=True) if share},
                )
                for its, each in zip(drawn, shares, strict=True)
            ]
        ).p
        for at in range(2000)
    ]
    assert stats.kstest([p for p in found if p is not None], "uniform").pvalue > 0.001
    assert None not in found


def test_whoever_was_split_by_other_percentages_is_compared_with_those() -> None:
    before = GroupSizes({"control": 100, "socks": 900}, {"control": 10, "socks": 90})
    after = GroupSizes({"control": 400, "socks": 600}, {"control": 40, "socks": 60})
    both = sample_ratio([before, after])
    assert both.expected == {"control": 500, "socks": 1500}
    assert both.p == pytest.approx(1.0)
    # Summed up they look right; each was broken.
    swapped = [GroupSizes(each.observed, other.shares) for each, other in ((before, after), (after, before))]
    assert sample_ratio(swapped).broken
    assert sample_ratio([before, GroupSizes({"control": 1, "gone": 3}, {"control": 10, "socks": 90})]).p == 0.0
    assert sample_ratio([]).p is None
    assert sample_ratio([GroupSizes({}, SHARES)]).p is None
    assert sample_ratio([GroupSizes({"all": 7}, {"all": 100})]).p is None

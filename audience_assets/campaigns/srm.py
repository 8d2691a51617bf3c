"""Sample ratio mismatch: whether the groups have the sizes that their percentages ask for.

If they have not, people are missing from one group more than from another, and no comparison of them means anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import special

# People expected of a group, from which on the statistic has nearly the distribution it is compared with (Cochran).
ENOUGH = 5
SIMULATIONS = 20_000
# A correct split is below it once in a thousand campaigns.
BROKEN_BELOW = 0.001


@dataclass(frozen=True)
class GroupSizes:
    """People by group who were split together, and the percentages that split them (any unit; 0 is nobody)."""

    observed: Mapping[str, int]
    shares: Mapping[str, float]

    @property
    def expected(self) -> dict[str, float]:
        """People by group, had everybody's group followed the percentages exactly."""
        people, whole = sum(self.observed.values()), sum(self.shares.values())
        return {group: people * share / whole for group, share in self.shares.items()}

    @property
    def chi_square(self) -> float:
        """Infinite where there are people in a group that has no share."""
        expected = self.expected
        if any(people and not expected.get(group) for group, people in self.observed.items()):
            return float("inf")
        return sum((self.observed.get(group, 0) - people) ** 2 / people for group, people in expected.items() if people)

    @property
    def freedom(self) -> int:
        return max(sum(1 for share in self.shares.values() if share) - 1, 0) if any(self.observed.values()) else 0


@dataclass(frozen=True)
class SampleRatio:
    """Observed and expected people by group, and how likely chance alone is as uneven; None where nothing was split."""

    observed: Mapping[str, int]
    expected: Mapping[str, float]
    p: float | None

    @property
    def broken(self) -> bool:
        return self.p is not None and self.p < BROKEN_BELOW


def sample_ratio(versions: Sequence[GroupSizes]) -> SampleRatio:
    """The chi-square test of group sizes. Who was split by other percentages is compared with those: one `GroupSizes`
    for each version of a split, whose statistics and degrees of freedom add up.

    Groups of which only a few people are expected are far from its distribution: three newcomers, one of them in a
    control of 1 %, would be a mismatch. There p is how often so many splits of as many people are as uneven.
    """
    observed: dict[str, int] = {}
    expected: dict[str, float] = {}
    for version in versions:
        for group in (*version.shares, *version.observed):
            observed.setdefault(group, 0)
            expected.setdefault(group, 0.0)
        for group, people in version.observed.items():
            observed[group] += people
        for group, share in version.expected.items():
            expected[group] += share
    return SampleRatio(observed, expected, _chance(versions))


def _chance(versions: Sequence[GroupSizes]) -> float | None:
    statistic, freedom = sum(each.chi_square for each in versions), sum(each.freedom for each in versions)
    if statistic == float("inf"):
        return 0.0
    if not freedom:
        return None
    if min(people for each in versions for people in each.expected.values() if people) < ENOUGH:
        return _simulated(versions, statistic)
    return float(special.chdtrc(freedom, statistic))


def _simulated(versions: Sequence[GroupSizes], statistic: float) -> float:
    """The same each time it is asked."""
    from scipy import stats  # noqa: PLC0415 - takes half a second, and is seldom needed

    found: Any = 0.0
    for seed, each in enumerate(versions):
        expected = [people for people in each.expected.values() if people]
        if each.freedom:
            shares = [people / sum(expected) for people in expected]
            sizes = stats.multinomial.rvs(sum(each.observed.values()), shares, SIMULATIONS, random_state=seed)
            found = found + ((sizes - expected) ** 2 / expected).sum(axis=1)
    as_uneven = int((found >= statistic * (1 - 1e-9)).sum())
    return (as_uneven + 1) / (SIMULATIONS + 1)

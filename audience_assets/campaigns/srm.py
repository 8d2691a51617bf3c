"""Sample ratio mismatch: whether the groups have the sizes that their percentages ask for.

If they have not, people are missing from one group more than from another, and no comparison of them means anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import special

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
    for each version of a split, whose statistics add up."""
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
    statistic, freedom = sum(each.chi_square for each in versions), sum(each.freedom for each in versions)
    if statistic == float("inf"):
        return SampleRatio(observed, expected, 0.0)
    return SampleRatio(observed, expected, float(special.chdtrc(freedom, statistic)) if freedom else None)

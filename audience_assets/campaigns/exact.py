"""Exact sizes: newcomers go where the most are missing. Nobody who has a group is asked to leave it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from audience_assets.warehouse.functions import BUCKETS


def allocate(quotas: Mapping[str, int], taken: Mapping[str, int], newcomers: int) -> dict[str, int]:
    """How many of the newcomers each group gets.

    `quotas` are shares in buckets of 0.01 %, `taken` the members of the groups until now. One after another the
    newcomers go to the group that is furthest below its share of everybody; the first group wins a tie.
    """
    total = sum(taken.get(group, 0) for group in quotas) + newcomers
    missing = {
        group: Fraction(quota * total, BUCKETS) - taken.get(group, 0) for group, quota in quotas.items() if quota
    }
    level = _level(sorted(missing.values(), reverse=True), newcomers)
    wanted = {group: max(Fraction(0), deficit - level) for group, deficit in missing.items()}
    given = {group: int(share) for group, share in wanted.items()}
    # At most one each is left over for the rounding.
    by_rest = sorted(wanted, key=lambda group: given[group] - wanted[group])
    for group in by_rest[: newcomers - sum(given.values())]:
        given[group] += 1
    return {group: given.get(group, 0) for group in quotas}


def _level(deficits: list[Fraction], newcomers: int) -> Fraction:
    """What is still missing everywhere once the newcomers have filled the greatest deficits (given first)."""
    level, above = Fraction(0), Fraction(0)
    for count, deficit in enumerate(deficits, start=1):
        above += deficit
        level = (above - newcomers) / count
        if count == len(deficits) or level >= deficits[count]:
            break
    return level


def surplus(quotas: Mapping[str, int], taken: Mapping[str, int], newcomers: int) -> dict[str, int]:
    """How many each group would have to give up for everybody's shares to be exact, newcomers counted in."""
    everybody = sum(taken.values()) + newcomers
    wanted = allocate(quotas, {}, everybody)
    return {group: number - wanted.get(group, 0) for group, number in taken.items() if number > wanted.get(group, 0)}

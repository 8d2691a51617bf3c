"""Exact sizes: newcomers go where the most are missing. Nobody who has a group is asked to leave it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from audience_assets.warehouse.functions import BUCKETS

Shares = dict[str, Fraction]


def allocate(
    quotas: Mapping[str, int], taken: Mapping[str, int], newcomers: int, elsewhere: Mapping[str, Fraction] | None = None
) -> dict[str, int]:
    """How many of the newcomers each group gets.

    `quotas` are shares in buckets of 0.01 %, `taken` the members of the groups until now. One after another the
    newcomers go to the group that is furthest below its share of everybody; the first group wins a tie. Who is left
    over by rounding goes where the most are missing `elsewhere` too.
    """
    missing = {group: number for group, number in _missing(quotas, taken, newcomers).items() if quotas[group]}
    level = _level(sorted(missing.values(), reverse=True), newcomers)
    wanted = {group: max(Fraction(0), deficit - level) for group, deficit in missing.items()}
    given = {group: int(share) for group, share in wanted.items()}
    # At most one each is left over for the rounding.
    broken = [group for group, share in wanted.items() if share > given[group]]
    by_rest = sorted(broken, key=lambda group: given[group] - wanted[group] - (elsewhere or {}).get(group, 0))
    for group in by_rest[: newcomers - sum(given.values())]:
        given[group] += 1
    return {group: given.get(group, 0) for group in quotas}


def allocate_strata(
    quotas: Mapping[str, int], taken: Mapping[str, Mapping[str, int]], newcomers: Mapping[str, int]
) -> dict[str, dict[str, int]]:
    """Stratum -> how many of its newcomers each group gets; strata are filled in the order in which they are given.

    Sizes are exact in every stratum but for the rounding, and rounding evens out over all of them: with one person a
    stratum each group still gets its share of the people.
    """
    missing: Shares = dict.fromkeys(quotas, Fraction(0))
    for groups in taken.values():
        _add(missing, _missing(quotas, groups, 0))
    given: dict[str, dict[str, int]] = {}
    for stratum, number in newcomers.items():
        before = taken.get(stratum, {})
        own = _missing(quotas, before, 0)
        elsewhere = {group: missing[group] - own[group] for group in quotas}
        given[stratum] = allocate(quotas, before, number, elsewhere)
        _add(missing, _missing(quotas, given[stratum], 0))
    return given


def _missing(quotas: Mapping[str, int], taken: Mapping[str, int], newcomers: int) -> Shares:
    """Group -> how many it has too few, newcomers counted in."""
    total = sum(taken.get(group, 0) for group in quotas) + newcomers
    return {group: Fraction(quota * total, BUCKETS) - taken.get(group, 0) for group, quota in quotas.items()}


def _add(sums: Shares, more: Shares) -> None:
    for group, number in more.items():
        sums[group] += number


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

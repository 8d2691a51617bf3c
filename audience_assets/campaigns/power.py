"""What a campaign can find out before it is launched: how small a lift, with how large a control."""

from __future__ import annotations

import math
from statistics import NormalDist

from scipy import optimize

ALPHA, POWER = 0.05, 0.80


def detectable_rate_lift(
    base: float, treated: int, control: int, *, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """The smallest lift of a conversion rate (0.2 is +20 %) that the z-test finds in `power` of all campaigns.

    `base` is the control's rate, 0 to 1. None where a group or the rate is empty, or no lift is large enough. The error
    under "no lift" is that of the pooled rate, as in the test: with a small control and few purchasers the simpler
    formula promises lifts that the test finds in half of the campaigns only.
    """
    if not treated or not control or not 0 < base < 1:
        return None
    outer, inner = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)

    def missing(rate: float) -> float:
        pooled = (rate * treated + base * control) / (treated + control)
        by_chance = math.sqrt(pooled * (1 - pooled) * (1 / treated + 1 / control))
        error = math.sqrt(rate * (1 - rate) / treated + base * (1 - base) / control)
        return rate - base - outer * by_chance - inner * error

    if missing(1.0) < 0:
        return None
    return float(optimize.brentq(missing, base, 1.0)) / base - 1


def detectable_mean_lift(
    mean: float, deviation: float, treated: int, control: int, *, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """The smallest lift of a mean (revenue per recipient) that is found in `power` of campaigns.

    `deviation` is the standard deviation of one person's value. None where a group is empty or the mean not positive.
    """
    if not treated or not control or mean <= 0:
        return None
    quantiles = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)
    return quantiles * deviation * math.sqrt(1 / treated + 1 / control) / mean


def chance_of_empty(people: int, share: float) -> float:
    """How likely a split by hash puts none of `people` into a group of that share (0 to 1)."""
    return (1 - share) ** people

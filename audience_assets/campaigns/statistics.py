"""A treatment beside its control: differences and ratios with their intervals, and how likely chance alone is.

Everything is computed from a few numbers a group, which the warehouse adds up. The sources of the formulas: Newcombe,
"Interval estimation for the difference between independent proportions" (1998), method 10; Katz et al., "Obtaining
confidence intervals for the risk ratio" (1978); Welch (1947); Fieller, "Some problems in interval estimation" (1954);
Holm, "A simple sequentially rejective multiple test procedure" (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

from scipy import special

CONFIDENCE = 0.95
# Above this, a ratio's logarithm is too far from normal: the control's mean is near 0 beside its error (Finney 1964).
NEAR_ZERO = 0.05
# Of a sum of squares, what rounding may leave over: values that are all the same have no variance.
NOISE = 1e-12


class Interval(NamedTuple):
    """Both ends, in the unit of what is estimated."""

    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """The interval of that many times the estimate; `factor` is not negative."""
        return Interval(self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` of `size` people did it; `size` is at least 1."""

    count: int
    size: int

    @property
    def rate(self) -> float:
        return self.count / self.size


@dataclass(frozen=True, slots=True)
class Sample:
    """`size` people with a value each, by the sum of the values and of their squares; `size` is at least 1."""

    size: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.size

    @property
    def variance(self) -> float | None:
        """Of the values, with n - 1; None of a single person."""
        if self.size < 2:
            return None
        spread = self.squares - self.total * self.mean
        return spread / (self.size - 1) if spread > NOISE * self.squares else 0.0

    @property
    def error(self) -> float | None:
        """The squared standard error of the mean."""
        return None if self.variance is None else self.variance / self.size


class Welch(NamedTuple):
    """The difference of two means: its interval, and the two-sided p-value of no difference."""

    interval: Interval
    p: float


def rate_difference(treated: Proportion, control: Proportion, confidence: float = CONFIDENCE) -> Interval:
    """Newcombe's interval of the treated rate less the control's; it stays within -1 and 1, also for no purchasers."""
    own, other = wilson(treated, confidence), wilson(control, confidence)
    difference = treated.rate - control.rate
    return Interval(
        difference - math.hypot(treated.rate - own.low, other.high - control.rate),
        difference + math.hypot(own.high - treated.rate, control.rate - other.low),
    )


def wilson(found: Proportion, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of one rate."""
    z = _normal_quantile(confidence)
    centre = (found.rate + z * z / (2 * found.size)) / (1 + z * z / found.size)
    spread = math.sqrt(found.rate * (1 - found.rate) / found.size + z * z / (4 * found.size**2))
    reach = z * spread / (1 + z * z / found.size)
    return Interval(centre - reach, centre + reach)


def rate_lift(treated: Proportion, control: Proportion, confidence: float = CONFIDENCE) -> Interval | None:
    """Interval of the treated rate over the control's, less 1, by the logarithm; None if a group has no purchaser."""
    if not treated.count or not control.count:
        return None
    spread = math.sqrt(1 / treated.count - 1 / treated.size + 1 / control.count - 1 / control.size)
    return _around_ratio(treated.rate / control.rate, _normal_quantile(confidence) * spread)


def rate_p(treated: Proportion, control: Proportion) -> float | None:
    """Two-sided p-value of equal rates: the z-test with the pooled rate. None where nobody or everybody purchased."""
    pooled = (treated.count + control.count) / (treated.size + control.size)
    error = math.sqrt(pooled * (1 - pooled) * (1 / treated.size + 1 / control.size))
    if not error:
        return None
    return 2 * NormalDist().cdf(-abs(treated.rate - control.rate) / error)


def mean_difference(treated: Sample, control: Sample, confidence: float = CONFIDENCE) -> Welch | None:
    """Welch's interval and test of the treated mean less the control's. None if no value varies, or of one person."""
    errors = _errors(treated, control)
    if errors is None:
        return None
    freedom, spread = _freedom(treated, control, *errors), math.sqrt(sum(errors))
    difference = treated.mean - control.mean
    reach = _t_quantile(freedom, confidence) * spread
    p = 2 * float(special.stdtr(freedom, -abs(difference) / spread))
    return Welch(Interval(difference - reach, difference + reach), p)


def mean_lift(treated: Sample, control: Sample, confidence: float = CONFIDENCE) -> Interval | None:
    """Interval of the treated mean over the control's, less 1: by the logarithm, or Fieller's where that fails.

    It fails where the control's mean is near 0 beside its error, or a mean is not positive. None where the ratio can
    be anything, as the control's mean can't be told from 0.
    """
    errors = _errors(treated, control)
    if errors is None:
        return None
    if min(treated.mean, control.mean) <= 0 or _nearness(treated, control, confidence) > NEAR_ZERO:
        return fieller(treated, control, confidence)
    spread = math.sqrt(errors[0] / treated.mean**2 + errors[1] / control.mean**2)
    quantile = _t_quantile(_freedom(treated, control, *errors), confidence)
    return _around_ratio(treated.mean / control.mean, quantile * spread)


def fieller(treated: Sample, control: Sample, confidence: float = CONFIDENCE) -> Interval | None:
    """Fieller's interval of the treated mean over the control's, less 1: ratios that a test would not refuse.

    None where it has no ends.
    """
    errors = _errors(treated, control)
    if errors is None or not control.mean:
        return None
    near = _nearness(treated, control, confidence)
    if near >= 1:
        return None
    quantile = _t_quantile(_freedom(treated, control, *errors), confidence)
    ratio = treated.mean / control.mean
    root = math.sqrt(errors[0] * (1 - near) + ratio**2 * errors[1])
    centre, reach = ratio / (1 - near), quantile / abs(control.mean) * root / (1 - near)
    return Interval(centre - reach - 1, centre + reach - 1)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p-values of tests that are made together, adjusted so that one of them is wrong no more often than one alone.

    What was not tested (None) stays so and does not count.
    """
    tested = sorted((p, place) for place, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min((len(tested) - rank) * p, 1.0))
        adjusted[place] = largest
    return adjusted


def _around_ratio(ratio: float, reach: float) -> Interval:
    return Interval(ratio * math.exp(-reach) - 1, ratio * math.exp(reach) - 1)


def _nearness(treated: Sample, control: Sample, confidence: float) -> float:
    """Fieller's g: the squared reach of the control's mean beside the mean; from 1 on the mean may be 0."""
    errors = _errors(treated, control)
    if errors is None or not control.mean:
        return math.inf
    quantile = _t_quantile(_freedom(treated, control, *errors), confidence)
    return quantile**2 * errors[1] / control.mean**2


def _errors(treated: Sample, control: Sample) -> tuple[float, float] | None:
    """Both squared standard errors, if there is any."""
    first, second = treated.error, control.error
    if first is None or second is None or not first + second:
        return None
    return first, second


def _freedom(treated: Sample, control: Sample, first: float, second: float) -> float:
    """Welch-Satterthwaite."""
    return (first + second) ** 2 / (first**2 / (treated.size - 1) + second**2 / (control.size - 1))


def _normal_quantile(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _t_quantile(freedom: float, confidence: float) -> float:
    return float(special.stdtrit(freedom, (1 + confidence) / 2))

"""A treatment over its control: how much more of what, how sure, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audience_assets.campaigns.outcomes import Outcome
from audience_assets.campaigns.statistics import (
    Interval,
    Proportion,
    Sample,
    holm,
    mean_difference,
    mean_lift,
    rate_difference,
    rate_lift,
    rate_p,
)


@dataclass(frozen=True)
class Gain:
    """A rate or mean of the treated less the control's, for one person, as a part of the control's, and for all.

    `lift` 0.2 is 20 % more than the control; None of a control with nothing. Intervals hold the truth in 95 % of
    campaigns, and are None where too little is known. `p` is how likely chance alone differs as much, `p_adjusted` the
    same when all treatments of a sub-audience are looked at (Holm).
    """

    each: float
    each_interval: Interval | None
    lift: float | None
    lift_interval: Interval | None
    total: float
    total_interval: Interval | None
    p: float | None
    p_adjusted: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Over the control: conversions, and revenue (None where no value is declared)."""

    conversions: Gain
    revenue: Gain | None


def compare(treatments: Sequence[Outcome], control: Outcome | None) -> list[Comparison | None]:
    """One for each treatment; None where either side has no people."""
    found = [_comparison(each, control) if control is not None else None for each in treatments]
    conversions = holm([each.conversions.p if each else None for each in found])
    revenue = holm([each.revenue.p if each and each.revenue else None for each in found])
    return [
        each and _adjusted(each, for_rate, for_revenue)
        for each, for_rate, for_revenue in zip(found, conversions, revenue, strict=True)
    ]


def _adjusted(found: Comparison, for_rate: float | None, for_revenue: float | None) -> Comparison:
    revenue = found.revenue and replace(found.revenue, p_adjusted=for_revenue)
    return Comparison(replace(found.conversions, p_adjusted=for_rate), revenue)


def _comparison(treated: Outcome, control: Outcome) -> Comparison | None:
    if treated.purchases is None or control.purchases is None:
        return None
    revenue = _of_means(treated.revenues, control.revenues) if treated.revenues and control.revenues else None
    return Comparison(_of_rates(treated.purchases, control.purchases), revenue)


def _of_rates(treated: Proportion, control: Proportion) -> Gain:
    difference, interval = treated.rate - control.rate, rate_difference(treated, control)
    return Gain(
        each=difference,
        each_interval=interval,
        lift=treated.rate / control.rate - 1 if control.count else None,
        lift_interval=rate_lift(treated, control),
        total=difference * treated.size,
        total_interval=interval.scaled(treated.size),
        p=rate_p(treated, control),
    )


def _of_means(treated: Sample, control: Sample) -> Gain:
    difference, welch = treated.mean - control.mean, mean_difference(treated, control)
    return Gain(
        each=difference,
        each_interval=welch.interval if welch else None,
        lift=treated.mean / control.mean - 1 if control.mean else None,
        lift_interval=mean_lift(treated, control),
        total=difference * treated.size,
        total_interval=welch.interval.scaled(treated.size) if welch else None,
        p=welch.p if welch else None,
    )

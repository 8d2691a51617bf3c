"""A campaign's lifts as a picture of characters: each with its interval, beside the line of no lift."""

from __future__ import annotations

from collections.abc import Iterator

from audience_assets.campaigns.comparison import Gain
from audience_assets.campaigns.results import CampaignResults, PartResult
from audience_assets.pictures import WIDTH, Scale


def lift_picture(results: CampaignResults) -> str:
    """One line a treatment and measure; nothing where no treatment has a control.

    Intervals that cross the line of 0 may be chance.
    """
    return "\n\n".join(drawn for part in results.tables if (drawn := "\n".join(_lines(part))))


def _lines(part: PartResult) -> Iterator[str]:
    gains = [(group, what, gain) for group, what, gain in _gains(part) if gain.lift is not None]
    if not gains:
        return
    ends = [number for _, _, gain in gains for number in (gain.lift or 0.0, *(gain.lift_interval or ()))]
    scale = Scale(ends)
    width = max(len(group) for group, _, _ in gains)
    lowest, highest = f"{scale.low:+.0%}", f"{scale.high:+.0%}"
    yield part.name
    yield f"{'':<{width}}  {'':<10}  {'':>8}  {lowest}{highest:>{WIDTH - len(lowest)}}"
    for group, what, gain in gains:
        lift, interval = gain.lift or 0.0, gain.lift_interval
        told = "too little is known for an interval"
        drawn = scale.interval(interval.low, lift, interval.high).rstrip() if interval else told
        yield f"{group:<{width}}  {what:<10}  {lift:>+8.1%}  {drawn}"


def _gains(part: PartResult) -> Iterator[tuple[str, str, Gain]]:
    for group in part.groups:
        if group.comparison is not None:
            yield group.outcome.group, "conversion", group.comparison.conversions
            if group.comparison.revenue is not None:
                yield group.outcome.group, "revenue", group.comparison.revenue

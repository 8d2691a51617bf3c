"""Is the control large enough to be compared with: its size, and the chance that it is empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audience_assets.campaigns.meaning import parts
from audience_assets.campaigns.power import chance_of_empty
from audience_assets.campaigns.versions import SMALL
from audience_assets.project.campaigns import Campaign

FEW = 100
UNLIKELY = 0.01


@dataclass(frozen=True, slots=True)
class Control:
    """A sub-audience's control: its people now, those its share asks for, and the chance (0 to 1) of having none."""

    sub_audience: str
    group: str
    people: int
    expected: float
    chance_of_empty: float

    @property
    def remarks(self) -> Iterator[str]:
        """What a person should know before anything is sent."""
        if self.expected < FEW:
            yield (
                f"{self.sub_audience}: the control {self.group!r} has {self.people:,} people, {self.expected:,.1f} "
                f"expected: with fewer than {FEW} only a very large lift can be told from chance"
            )
        if self.chance_of_empty > UNLIKELY:
            yield (
                f"{self.sub_audience}: a split by hash leaves this control empty in {self.chance_of_empty:.1%} of "
                "cases: say method: exact"
            )


def controls(campaign: Campaign, counts: Mapping[str, Mapping[str, Any]]) -> list[Control]:
    """The control groups; `counts` is sub-audience -> group -> people."""
    found = []
    for part in parts(campaign):
        group = next((each for each in part.groups if each.control), None)
        if group is not None:
            of_all = counts.get(part.name, {})
            people, share = sum(of_all.values()), float(group.percent) / 100
            method = campaign.split.method
            by_hash = method == "hash" or (method == "auto" and people >= SMALL)
            empty = chance_of_empty(people, share) if by_hash else 0.0
            found.append(Control(part.name, group.name, of_all.get(group.name, 0), people * share, empty))
    return found

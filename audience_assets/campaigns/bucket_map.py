"""Bucket maps: which of the 10,000 buckets of a sub-audience belong to which group.

The control comes first, so somebody who is control at 10 % is control wherever it is 20 %. When shares change, as few
buckets as possible change hands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audience_assets.project.campaigns import Group
from audience_assets.warehouse.functions import BUCKETS


@dataclass(frozen=True, slots=True)
class Range:
    """Buckets `[start, end)` of a group."""

    group: str
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


BucketMap = tuple[Range, ...]


def shares(groups: Sequence[Group]) -> dict[str, int]:
    """Group -> number of buckets (0.01 % each), the control first. They add up to 10,000."""
    ordered = sorted(groups, key=lambda group: not group.control)
    return {group.name: int(group.percent * BUCKETS / 100) for group in ordered}


def first_map(wanted: Mapping[str, int]) -> BucketMap:
    """One range a group, in the order given."""
    found, start = [], 0
    for group, size in wanted.items():
        found.append(Range(group, start, start + size))
        start += size
    return tuple(found)


def rebalanced(before: BucketMap, wanted: Mapping[str, int]) -> BucketMap:
    """The map with these shares that differs from `before` in the fewest buckets.

    A group with too many gives up its highest; those with too few take them in order, the control the lowest.
    """
    kept: list[Range] = []
    free: list[tuple[int, int]] = []
    room = dict(wanted)
    for each in sorted(before, key=lambda each: each.start):
        stays = min(each.size, room.get(each.group, 0))
        if stays:
            kept.append(Range(each.group, each.start, each.start + stays))
            room[each.group] -= stays
        if stays < each.size:
            free.append((each.start + stays, each.end))
    return _joined([*kept, *_handed_out(free, {group: size for group, size in room.items() if size})])


def _handed_out(free: Sequence[tuple[int, int]], missing: Mapping[str, int]) -> list[Range]:
    found: list[Range] = []
    stretches = list(reversed(free))
    for group, size in missing.items():
        left = size
        while left:
            start, end = stretches.pop()
            taken = min(left, end - start)
            found.append(Range(group, start, start + taken))
            left -= taken
            if start + taken < end:
                stretches.append((start + taken, end))
    return found


def _joined(ranges: Sequence[Range]) -> BucketMap:
    """In order, neighbours of one group made one range."""
    found: list[Range] = []
    for each in sorted(ranges, key=lambda each: each.start):
        if found and found[-1].group == each.group and found[-1].end == each.start:
            found[-1] = Range(each.group, found[-1].start, each.end)
        else:
            found.append(each)
    return tuple(found)


def sizes(buckets: BucketMap) -> dict[str, int]:
    """Group -> number of buckets."""
    found: dict[str, int] = {}
    for each in buckets:
        found[each.group] = found.get(each.group, 0) + each.size
    return found


def encode(buckets: BucketMap) -> str:
    """As `campaign_split` keeps it: JSON, [[group, from, to], ...]."""
    return json.dumps([[each.group, each.start, each.end] for each in buckets])


def decode(text: str) -> BucketMap:
    return tuple(Range(*each) for each in json.loads(text))

"""Bucket maps hold the shares to the bucket, and change hands no more than they must."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from audience_assets.campaigns.bucket_map import BucketMap, decode, encode, first_map, rebalanced, shares, sizes
from audience_assets.project.campaigns import Group
from audience_assets.warehouse.functions import BUCKETS, bucket_of


@st.composite
def wanted(draw: st.DrawFn) -> dict[str, int]:
    names = draw(st.lists(st.sampled_from("ABCDEF"), unique=True, min_size=1, max_size=5))
    cuts = sorted(draw(st.sets(st.integers(1, BUCKETS - 1), min_size=len(names) - 1, max_size=len(names) - 1)))
    return dict(zip(names, (end - start for start, end in zip([0, *cuts], [*cuts, BUCKETS], strict=True)), strict=True))


def owners(buckets: BucketMap) -> list[str]:
    found = [each.group for each in buckets for _ in range(each.size)]
    assert [each.start for each in buckets] == [0, *(each.end for each in buckets[:-1])]
    assert len(found) == BUCKETS
    return found


@given(st.lists(wanted(), min_size=2, max_size=5))
def test_a_change_of_shares_moves_as_few_buckets_as_possible(changes: list[dict[str, int]]) -> None:
    buckets = first_map(changes[0])
    for shares_now in changes[1:]:
        before = sizes(buckets)
        changed = rebalanced(buckets, shares_now)
        assert sizes(changed) == shares_now
        moved = sum(one != other for one, other in zip(owners(buckets), owners(changed), strict=True))
        assert moved == sum(max(0, number - shares_now.get(group, 0)) for group, number in before.items())
        assert decode(encode(changed)) == changed
        buckets = changed
    assert rebalanced(buckets, changes[-1]) == buckets


def test_the_control_comes_first_and_percentages_are_exact() -> None:
    groups = [Group(name=name, percent=Decimal("33.33")) for name in "AB"]
    control = Group(name="control", percent=Decimal("33.34"), control=True)
    assert list(shares([*groups, control]).items()) == [("control", 3334), ("A", 3333), ("B", 3333)]


def test_who_is_control_at_ten_percent_is_control_at_twenty() -> None:
    small, large = (first_map({"control": share, "A": BUCKETS - share}) for share in (1000, 2000))
    assert set(range(small[0].end)) < set(range(large[0].end))


def test_a_split_of_many_people_is_as_large_as_it_should_be() -> None:
    """10 % of 100,000, within four standard errors."""
    chosen = sum(bucket_of("spring", key) < 1000 for key in range(100_000))
    assert abs(chosen - 10_000) < 4 * (100_000 * 0.1 * 0.9) ** 0.5

"""Getting a batch through: only bad rows are lost, good ones are accepted exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_assets.destinations.base import BadBatch, BadRow, BadRows, Misconfigured, Unavailable
from audience_assets.destinations.rows import deliver_rows


class Strict:
    """A vendor that takes a batch whole or not at all. It points at the bad rows, or at the first, or at none."""

    def __init__(self, bad: set[int], points: str, fails_at: int | None = None) -> None:
        self.bad, self.points, self.fails_at = bad, points, fails_at
        self.taken: list[int] = []
        self.calls: list[int] = []

    def __call__(self, rows: Sequence[int]) -> int:
        self.calls.append(len(rows))
        if len(self.calls) == self.fails_at:
            raise Unavailable("down")
        found = [BadRow(index, "bad", f"row {row}") for index, row in enumerate(rows) if row in self.bad]
        if found and self.points == "nowhere":
            raise BadBatch("no")
        if found:
            raise BadRows("no", found if self.points == "all" else found[:1])
        self.taken += rows
        return len(self.calls)


batches = st.integers(0, 120).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, max(size - 1, 0)), max_size=8))
)


@given(batches, st.sampled_from(["all", "first", "nowhere"]), st.integers(1, 50))
def test_only_the_bad_rows_are_lost(batch: tuple[int, set[int]], points: str, at_most: int) -> None:
    size, bad = batch
    vendor = Strict(bad, points)
    results = deliver_rows(range(size), vendor, at_most=at_most)
    assert [result.row for result in results] == list(range(size))
    assert {result.row for result in results if result.refusal} == bad & set(range(size))
    assert vendor.taken == [row for row in range(size) if row not in bad], "once each, in their order"
    assert all(result.answer is not None for result in results if result.row not in bad)
    assert max(vendor.calls, default=0) <= at_most
    parts = ceil(size / at_most)
    depth = ceil(log2(at_most)) + 1
    assert len(vendor.calls) <= parts + 2 * len(bad) * depth


@given(batches, st.integers(1, 6))
def test_an_outage_leaves_the_rest_undecided(batch: tuple[int, set[int]], fails_at: int) -> None:
    size, bad = batch
    vendor = Strict(bad, "nowhere", fails_at)
    results = deliver_rows(range(size), vendor, at_most=20)
    decided = {result.row for result in results if result.answer is not None}
    assert decided == set(vendor.taken)
    assert all(isinstance(r.error, Unavailable) for r in results if r.answer is None and r.refusal is None)
    assert len(vendor.calls) <= fails_at


def test_the_reason_is_the_vendors() -> None:
    [_, refused] = deliver_rows([1, 2], Strict({2}, "all"), at_most=10)
    assert refused.refusal is not None
    assert (refused.refusal.reason, refused.refusal.detail) == ("bad", "row 2")


def test_pointers_outside_the_batch_are_no_pointers() -> None:
    def send(rows: Sequence[int]) -> None:
        if 3 in rows:
            raise BadRows("no", [BadRow(99, "bad")])

    results = deliver_rows([1, 2, 3, 4], send, at_most=10)
    assert [result.row for result in results if result.refusal] == [3]


def test_errors_of_the_whole_sync_are_raised() -> None:
    def send(rows: Sequence[int]) -> None:
        raise Misconfigured("no such account")

    with pytest.raises(Misconfigured):
        deliver_rows([1], send, at_most=10)

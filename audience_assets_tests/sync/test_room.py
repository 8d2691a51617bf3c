"""How much is in flight: as many batches as there are workers, but only so many members."""

from __future__ import annotations

import pytest

from audience_assets.destinations.base import Operation
from audience_assets.sync.deliver import IN_FLIGHT, MOST_MEMBERS_IN_FLIGHT, Room
from audience_assets.sync.members import BatchRef


def started(size: int) -> int:
    """How many batches of that size are started before the first is answered."""
    running: list[tuple[BatchRef, int]] = []
    while Room.beside(running).is_left:
        first = len(running) * size + 1
        batch = BatchRef(first, Operation.ADD, first + size - 1)
        running.append((batch, batch.size))
    return len(running)


@pytest.mark.parametrize("size", [1, 100, 1000, 2000])
def test_small_batches_keep_every_worker_busy(size: int) -> None:
    assert started(size) == IN_FLIGHT + 1


@pytest.mark.parametrize("size", [5000, 10_000, MOST_MEMBERS_IN_FLIGHT, 10 * MOST_MEMBERS_IN_FLIGHT])
def test_of_large_batches_fewer_are_in_flight(size: int) -> None:
    assert started(size) == max(1, MOST_MEMBERS_IN_FLIGHT // size)

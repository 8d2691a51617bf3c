"""A service that gathers batches, as one that delivers each at once: what the contract's tests call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from audience_assets.destinations.base import (
    CallEstimate,
    Finding,
    Gathers,
    ListRef,
    ListService,
    Member,
    RemoteMember,
    Report,
)


class GatheringService(ListService, Gathers, Protocol):
    """Both interfaces."""


class Landed:
    """Flushes after every batch and raises what became of it."""

    def __init__(self, service: GatheringService) -> None:
        self._service = service

    def check(self, list_name: str | None = None) -> Iterator[Finding]:
        return self._service.check(list_name)

    def find_list(self, name: str) -> ListRef | None:
        return self._service.find_list(name)

    def get_list(self, list_id: str) -> ListRef:
        return self._service.get_list(list_id)

    def ensure_list(self, name: str) -> ListRef:
        return self._service.ensure_list(name)

    def add(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._landed(self._service.add, target, members)

    def update(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._landed(self._service.update, target, members)

    def remove(self, target: ListRef, members: Sequence[Member]) -> Report:
        return self._landed(self._service.remove, target, members)

    def members(self, target: ListRef) -> Iterator[RemoteMember]:
        return self._service.members(target)

    def estimate(self, *, adds: int, updates: int, removes: int) -> list[CallEstimate]:
        return self._service.estimate(adds=adds, updates=updates, removes=removes)

    def _landed(
        self, call: Callable[[ListRef, Sequence[Member]], Report], target: ListRef, members: Sequence[Member]
    ) -> Report:
        report = call(target, members)
        report.calls += self._service.flush()
        if report.delivery is not None:
            report.delivery.result(timeout=0)
        return report

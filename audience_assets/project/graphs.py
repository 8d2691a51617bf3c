"""Circles in what refers to what."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def cycles(references: Mapping[Node, Iterable[Node]]) -> list[list[Node]]:
    """Each circle once, as the nodes along it with the first repeated at the end, starting at the smallest."""
    graph = {node: set(targets) for node, targets in references.items()}
    found = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle: list[Node] = list(reversed(error.args[1]))
            graph[circle[0]].discard(circle[1])
            found.append(_from_smallest(circle))
        else:
            return found


def depth(references: Mapping[Node, Iterable[Node]], start: Node) -> int:
    """Length of the longest chain of references from a node. The graph must have no circle."""
    reached: dict[Node, int] = {}
    for node in TopologicalSorter(references).static_order():
        reached[node] = max((1 + reached[target] for target in references.get(node, ())), default=0)
    return reached.get(start, 0)


def _from_smallest(circle: list[Node]) -> list[Node]:
    ring = circle[:-1]
    first = ring.index(min(ring, key=str))
    return [*ring[first:], *ring[:first], ring[first]]

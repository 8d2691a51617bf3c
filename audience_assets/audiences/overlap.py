"""How segments overlap: how many members each two have in common, and how many are in one of them only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.insight_values import ratio
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.stored import expect_computed
from audience_assets.errors import WarehouseError
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State

MOST_SEGMENTS = 10


@dataclass(frozen=True)
class Overlap:
    """Segments in the order they were asked for, and users by exactly which of them they are in."""

    segments: tuple[str, ...]
    users_in: Mapping[frozenset[str], int]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Members of each segment."""
        return {name: self.both(name, name) for name in self.segments}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each two of them once."""
        return list(combinations(self.segments, 2))

    @property
    def in_any(self) -> int:
        return sum(self.users_in.values())

    @property
    def in_all(self) -> int:
        return self.users_in.get(frozenset(self.segments), 0)

    def only(self, name: str) -> int:
        """Members of a segment who are in no other of them."""
        return self.users_in.get(frozenset([name]), 0)

    def both(self, one: str, other: str) -> int:
        """Members of both segments."""
        return sum(users for names, users in self.users_in.items() if one in names and other in names)

    def contained(self, one: str, other: str) -> float | None:
        """The part of one segment's members who are in the other as well, 0 to 1; None of an empty segment."""
        return ratio(self.both(one, other), self.sizes[one])

    def jaccard(self, one: str, other: str) -> float | None:
        """Members of both over members of either, 0 to 1: 1 is the same people. None of two empty segments."""
        both = self.both(one, other)
        return ratio(both, self.sizes[one] + self.sizes[other] - both)


def segment_overlap(engine: Engine, state: State, project: Project, names: Sequence[str]) -> Overlap:
    """Overlap of 2 to 10 segments of one users model, as they were last computed. One scan of their members.

    Raises WarehouseError when a segment was never computed, or they have no members in common by their nature.
    """
    segments = tuple(dict.fromkeys(names))
    if not 2 <= len(segments) <= MOST_SEGMENTS:
        raise WarehouseError(f"2 to {MOST_SEGMENTS} segments can be compared, not {len(segments)}")
    models = {project.users_model(name) for name in segments}
    if len(models) > 1:
        raise WarehouseError(f"the segments are of different users models: {', '.join(sorted(models))}")
    key_type = project.models[models.pop()].key_type
    with explain_missing(engine, project), engine.connect() as connection:
        expect_large_joins(connection)
        expect_computed(connection, state, project, segments)
        rows = connection.execute(_statement([state.segment(name, key_type) for name in segments])).all()
    return Overlap(segments, {_names(segments, row.which): row.users for row in rows})


def _statement(members: Sequence[sa.Table]) -> sa.Select[tuple[int, int]]:
    """which, users: whoever is in the segments 0 and 2 has 1 + 4. A user is in a segment once, so bits never add up."""
    bits = sa.union_all(
        *(
            sa.select(table.c.user_key, sa.literal_column(str(2**number), sa.Integer()).label("bit"))
            for number, table in enumerate(members)
        )
    ).subquery("bits")
    which = sa.cast(sa.func.sum(bits.c.bit), sa.Integer).label("which")
    each = sa.select(which).group_by(bits.c.user_key).subquery("users")
    return sa.select(each.c.which, sa.func.count().label("users")).group_by(each.c.which)


def _names(segments: Sequence[str], which: int) -> frozenset[str]:
    return frozenset(name for number, name in enumerate(segments) if which & 2**number)

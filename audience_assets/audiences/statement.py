"""What all parts of one SQL statement share: the project, the run's time and one registry of CTEs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.one_row import OneRow
from audience_assets.project.project import Project

Built = TypeVar("Built")
LONGEST_NAME = 60


class MembershipTables(Protocol):
    """The part of the state that conditions read."""

    segment_history: sa.Table
    campaign_run: sa.Table

    def segment(self, name: str, key_type: str) -> sa.Table: ...

    def uploaded_list(self, name: str, key_type: str) -> sa.Table: ...

    def assignment(self, campaign: str, key_type: str) -> sa.Table: ...

    def recipient(self, campaign: str, key_type: str) -> sa.Table: ...


@dataclass
class Statement:
    """One statement under construction.

    CTEs are shared by everything in it, referenced segments too: two that say the same are one, and one name
    never means two things. A grouped CTE holds every measure that anything asks of its rows; as these are known
    only when all has been compiled, a statement is compiled twice (`complete`), the second time with them known.
    `computing` is the campaign whose audience this is, if it is one. `one_row` says which rows of joined models count,
    where not all of them do.
    """

    project: Project
    catalogue: Catalogue
    as_of: datetime
    state: MembershipTables
    computing: str | None = None
    one_row: OneRow | None = None
    measures: dict[str, dict[str, Callable[[Any], sa.ColumnElement[Any]]]] = field(default_factory=dict)
    ctes: dict[str, sa.CTE] = field(default_factory=dict)
    discovering: bool = False

    def cte(self, name: str, build: Callable[[], sa.Select[Any]]) -> sa.CTE:
        """The CTE of this name, built when it is first asked for. `cte_` keeps it apart from a team's tables."""
        if name not in self.ctes:
            built = build()
            self.ctes[name] = built.cte(short(f"cte_{name}"))
        return self.ctes[name]


def complete(build: Callable[[], Built], statement: Statement) -> Built:
    """Build twice: the first time tells which measures the grouped CTEs need. Without any, it is all there is."""
    statement.discovering = True
    built = build()
    statement.discovering = False
    if not statement.measures:
        return built
    statement.ctes.clear()
    return build()


def short(name: str) -> str:
    """A name that Postgres does not cut: cut names could become equal."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}_{digest(name)}"


def digest(*parts: Any) -> str:
    """Eight hex digits that tell one meaning from another."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]

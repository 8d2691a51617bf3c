"""A town of people in each kind of warehouse, and campaigns over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.campaigns.refresh import CampaignRun, refresh_campaign
from audience_assets.project.campaigns import Campaign, Holdout
from audience_assets.project.models import Segment
from audience_assets.project.project import Project, ProjectFile
from audience_assets.warehouse.state import State

NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
SETTINGS: dict[str, Any] = {
    "project": "town",
    "warehouse": {"url": "sqlite://"},
    "models": {
        "people": {
            "type": "users",
            "table": "people",
            "key": "id",
            "key_type": "integer",
            "fields": {"city": {"type": "text"}, "age": {"type": "integer"}},
        }
    },
}
ADULT = {"field": "age", "op": "gte", "value": "18"}
PARIS = {"field": "city", "op": "is", "value": "paris"}
SEGMENTS: dict[str, Any] = {
    "everyone": {},
    "adults": {"where": ADULT},
    "parisians": {"where": PARIS},
    "oldest": {"where": {"field": "age", "op": "is_set"}, "limit": {"top": "5", "by": "age"}},
}
PEOPLE = sa.Table(
    "people",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger),
    sa.Column("city", sa.String),
    sa.Column("age", sa.BigInteger),
)
Person = tuple[str | None, int | None]  # city and age


def groups(control: str = "10", *treatments: str) -> list[dict[str, str]]:
    """A control of so many percent (none if 0), and treatments A, B, ... of the others."""
    others = treatments or (str(100 - int(control)),)
    found = [{"name": chr(65 + at), "percent": percent} for at, percent in enumerate(others)]
    return found if control == "0" else [*found, {"name": "control", "percent": control, "control": "true"}]


def campaign(name: str = "spring", **more: Any) -> Campaign:
    """Everybody, 10 % of them in the control, unless told otherwise."""
    base: dict[str, Any] = {"campaign": name, "include": ["everyone"], "holdout": None}
    if "sub_audiences" not in more:
        base["remaining"] = {"groups": groups()}
    return Campaign.model_validate(base | more)


def project_of(
    *campaigns: Campaign,
    holdouts: Mapping[str, Holdout] | None = None,
    priority_lists: Mapping[str, list[str]] | None = None,
    key_type: str = "integer",
    segments: Mapping[str, Any] | None = None,
    root: Path = Path(),
) -> Project:
    model = SETTINGS["models"]["people"] | {"key_type": key_type}
    settings = ProjectFile.model_validate(
        SETTINGS
        | {"models": {"people": model}, "holdouts": dict(holdouts or {}), "priority_lists": dict(priority_lists or {})}
    )
    declared = {**SEGMENTS, **(segments or {})}
    return Project(
        root=root,
        settings=settings,
        segments={name: Segment.model_validate({"segment": name, **each}) for name, each in declared.items()},
        destinations={},
        activations={},
        campaigns={each.campaign: each for each in campaigns},
    )


@dataclass(repr=False)
class Town:
    """One warehouse with the people and our state."""

    engine: Engine
    state: State

    @classmethod
    def on(cls, engine: Engine, people: Mapping[int, Person] | None = None) -> Town:
        state = State(engine)
        state.create()
        PEOPLE.create(engine)
        town = cls(engine, state)
        town.set_people(people or {})
        return town

    def __repr__(self) -> str:
        return f"<town in {self.engine.dialect.name}>"

    def set_people(self, people: Mapping[int, Person]) -> None:
        rows = [{"id": key, "city": city, "age": age} for key, (city, age) in people.items()]
        with self.engine.begin() as connection:
            connection.execute(PEOPLE.delete())
            if rows:
                connection.execute(PEOPLE.insert(), rows)

    def refresh(self, project: Project | Campaign, as_of: datetime = NOON, name: str = "spring") -> CampaignRun:
        declared = project_of(project) if isinstance(project, Campaign) else project
        return refresh_campaign(self.engine, self.state, declared, name, as_of)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def recipients(self, name: str = "spring") -> list[dict[str, Any]]:
        return self.rows(self.state.recipient(name, "integer"))

    def ledger(self, name: str = "spring") -> list[dict[str, Any]]:
        return self.rows(self.state.assignment(name, "integer"))

    def audience(self, name: str) -> set[int]:
        """Who a list of this treatment group would be kept equal to."""
        return {row["user_key"] for row in self.rows(self.state.segment(name, "integer"))}

    def groups_of(self, name: str = "spring") -> dict[int, str]:
        """Person -> group."""
        return {row["user_key"]: row["group_name"] for row in self.recipients(name)}


def adults_of(cities: Iterable[str | None], count: int) -> dict[int, Person]:
    """So many people of 30, their cities in turn."""
    chosen = list(cities)
    return {key: (chosen[key % len(chosen)], 30) for key in range(1, count + 1)}

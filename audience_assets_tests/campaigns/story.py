"""What can happen to a campaign, told once on any warehouse."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audience_assets.campaigns.outlook import campaign_outlook
from audience_assets.campaigns.results import campaign_results
from audience_assets.forgetting import forget, read_subject
from audience_assets.project.campaigns import Holdout
from audience_assets.runtime import Runtime
from audience_assets_tests.campaigns.people import (
    ADULT,
    NOON,
    PARIS,
    PEOPLE,
    Town,
    adults_of,
    campaign,
    groups,
    project_of,
)
from audience_assets_tests.campaigns.purchases import measured_project, set_orders

PARTS = [
    {"name": "Paris", "where": PARIS, "segments": ["adults"], "groups": groups("10", "45", "45")},
    {"name": "Adult", "where": ADULT, "groups": groups("50")},
]
CAPPED = {"where": {"not": {"received": {"within": "7d", "at_least": "2"}}}}
QUIET = {"where": {"not": {"received": {"within": "1h"}}}}


def life_of_a_campaign(folder: Path, engine: sa.Engine) -> None:
    """Exact and by hash, rebalanced and drawn anew, outranked, forgotten, and with keys of another type."""
    town = Town.on(engine, adults_of(["paris", "lyon", None], 60))
    days = iter(NOON + timedelta(days=number) for number in range(1, 30))
    lists = {"loud": ["first", "spring"]}
    segments = {"capped": CAPPED, "quiet": QUIET}

    def compute(name: str = "spring", **more: Any) -> None:
        declared = campaign(name, priority_list="loud", **{"include": ["capped"], **more})
        others = [
            campaign(other, priority_list="loud", holdout="universal") for other in ("first", "spring") if other != name
        ]
        project = project_of(
            declared,
            *others,
            priority_lists=lists,
            holdouts={"universal": Holdout.model_validate({"percent": "10"})},
            segments=segments,
            root=folder,
        )
        town.refresh(project, next(days), name)

    compute("first", include=["oldest"], exclude=["parisians"], holdout="universal")
    compute(sub_audiences=PARTS, holdout="universal", split={"method": "auto"})
    fewer = [PARTS[0], PARTS[1] | {"groups": groups("10")}]
    town.set_people(adults_of(["paris", "lyon"], 80))
    compute(sub_audiences=fewer, split={"method": "exact", "sticky": "rebalance", "stratify_by": ["city", "age"]})
    compute(sub_audiences=fewer[:1], split={"method": "hash", "sticky": "rebalance"}, include=["quiet"])
    compute(sub_audiences=PARTS, split={"method": "hash"}, assignment="all_matches")
    compute(split={"method": "exact", "sticky": "reshuffle", "round": 2}, remaining={"groups": groups("50", "50")})
    _measured(town, next(days))
    _forgotten(town)
    PEOPLE.drop(engine)
    table = sa.Table(
        "people",
        sa.MetaData(),
        *(sa.Column(name, sa.String) for name in ("id", "city")),
        sa.Column("age", sa.BigInteger),
    )
    table.create(engine)
    town.refresh(project_of(campaign(), key_type="text"), next(days))


def _measured(town: Town, as_of: datetime) -> None:
    set_orders(town.engine, [(1, as_of, 9.5, 2)])
    holdouts = {"universal": Holdout.model_validate({"percent": "10"})}
    anew = {"sticky": "reshuffle", "round": 3}
    project = measured_project(campaign(holdout="universal", split=anew), holdouts=holdouts)
    town.refresh(project, as_of)
    for cap in (None, Decimal(90)):
        after = as_of + timedelta(days=30)
        assert campaign_results(town.engine, town.state, project, "spring", after, cap_percentile=cap).holdout
    with town.engine.connect() as connection:
        assert campaign_outlook(connection, town.state, project, "spring", as_of + timedelta(days=1))


def _forgotten(town: Town) -> None:
    project = project_of(campaign())
    runtime = Runtime(project, town.engine, town.state, project.root)
    assert forget(runtime, read_subject(project, "user", "1"), erase=True).erased

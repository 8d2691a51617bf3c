"""Nobody in control or held out is reached under another customer's key, whichever address the two share."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from audience_assets.campaigns.refresh import refresh_campaign
from audience_assets.project.activations import Mapping
from audience_assets.project.campaigns import Campaign, Holdout
from audience_assets.sync.plan import Planner
from audience_assets.sync.reach import measure_reach
from audience_assets_tests.sync.world import Person, World, make_world

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEOPLE = 40
# What somebody who is sent nothing has, and what somebody in the treatment has: (email, phone, external id).
Pair = tuple[tuple[str | None, str | None, int], tuple[str | None, str | None, int]]
SHARED: dict[str, Pair] = {
    "email": (("Ann@Shop-Customers.com ", None, 901), ("ann@shop-customers.com", None, 902)),
    "phone": (("b@shop-customers.com", "+12024561111", 903), ("c@shop-customers.com", "(202) 456-1111", 904)),
    "same spelling": (("d@shop-customers.com", "202-456-1414", 905), ("e@shop-customers.com", "202.456.1414", 906)),
    "phone alone": ((None, "+44 20 7219 3000", 907), ("f@shop-customers.com", "+44 (0)20 7219 3000", 908)),
    "external_id": (("g@shop-customers.com", None, 909), ("h@shop-customers.com", None, 909)),
}
APART: dict[str, Pair] = {
    "numbers that end alike": (
        ("i@shop-customers.com", "+12024561212", 911),
        ("j@shop-customers.com", "+17034561212", 912),
    ),
    "no numbers": (("k@shop-customers.com", "0000000", 913), ("l@shop-customers.com", "0000000", 914)),
    "no addresses": (("unknown", None, 915), ("unknown", None, 916)),
    "blanks": (("m@shop-customers.com", " - ", 917), ("n@shop-customers.com", " - ", 918)),
}


@pytest.fixture
def world(warehouse: Engine, tmp_path: Path) -> World:
    """A campaign whose list is known by e-mail address, and carries numbers and external ids as well."""
    world = make_world(tmp_path, warehouse)
    project = world.runtime.project
    groups = [
        {"name": "control", "percent": "50", "control": "true"},
        {"name": "Socks", "percent": "50", "destinations": ["plain"]},
    ]
    spring = Campaign.model_validate({"campaign": "spring", "include": ["vips"], "remaining": {"groups": groups}})
    identifiers = {"email": "email", "phone": "city", "external_id": "score"}
    mapping = Mapping(identifiers=identifiers, default_region="US")
    listed = project.effective["vips"].model_copy(update={"audience": "spring.remaining.socks", "mapping": mapping})
    world.runtime.project = replace(project, campaigns={"spring": spring}, effective={"vips": listed})
    return world


def hold_out(world: World, percent: str | None) -> None:
    """Keep so many percent of the people from the campaign."""
    runtime, project = world.runtime, world.runtime.project
    holdouts = {"universal": Holdout.model_validate({"percent": percent})} if percent else {}
    settings = project.settings.model_copy(update={"holdouts": holdouts})
    runtime.project = replace(project, settings=settings)


def groups_of(world: World) -> tuple[list[int], list[int]]:
    """The keys in control, and the treated."""
    runtime = world.runtime
    world.set_people(plain_people(), ())
    refresh_campaign(runtime.engine, runtime.state, runtime.project, "spring", NOON)
    table = runtime.state.recipient("spring", "integer")
    with runtime.engine.connect() as connection:
        rows = connection.execute(table.select()).all()
    return sorted(row.user_key for row in rows if row.is_control), sorted(r.user_key for r in rows if not r.is_control)


def plain_people() -> dict[int, Person]:
    """Key -> somebody whose addresses nobody shares."""
    return {key: (f"p{key}@shop-customers.com", f"+1202555{key:04}", key) for key in range(1, PEOPLE + 1)}


def addresses(people: dict[int, Person], treated: Iterable[int], left_out: Collection[int]) -> set[str]:
    """What the list holds of the treated."""
    return {str(people[key][0]).lower() for key in treated if key not in left_out}


def shared_with(who: str) -> dict[str, int]:
    """How many of `SHARED` are left out, by what they share; one e-mail address is always of somebody in control."""
    return {
        "the email of somebody in control": 1,
        f"the phone of somebody {who}": 3,
        f"the external_id of somebody {who}": 1,
    }


def test_whoever_shares_any_address_with_somebody_in_control_is_left_out(world: World) -> None:
    control, treated = groups_of(world)
    people = plain_people()
    shared = dict(zip(SHARED, zip(control, treated, strict=False), strict=False))
    apart = dict(zip(APART, list(zip(control, treated, strict=True))[len(SHARED) :], strict=False))
    for pairs, keys in ((SHARED, shared), (APART, apart)):
        for name, (held, theirs) in pairs.items():
            people[keys[name][0]], people[keys[name][1]] = held, theirs
    world.set_people(people, ())
    report = world.sync()
    left_out = {key for _, key in shared.values()}
    assert set(world.ledger()) == addresses(people, treated, left_out)
    assert report.members_after == len(treated) - len(left_out)
    # "unknown" is none, and this vendor takes it.
    assert shrink_of(world) == {**shared_with("in control"), "no usable email": 1}


def test_whoever_shares_any_address_with_somebody_held_out_is_left_out(world: World) -> None:
    hold_out(world, "40")
    control, treated = groups_of(world)
    held = sorted({*range(1, PEOPLE + 1)} - {*control, *treated})
    people = plain_people()
    for pair, their, our in zip(SHARED.values(), held, treated, strict=False):
        people[their], people[our] = pair
    people[control[0]] = people[treated[0]]
    world.set_people(people, ())
    world.sync()
    assert set(world.ledger()) == addresses(people, treated, treated[: len(SHARED)])
    assert shrink_of(world) == shared_with("held out")


def test_who_is_held_out_no_more_bars_nobody(world: World) -> None:
    hold_out(world, "40")
    control, treated = groups_of(world)
    held, other = min({*range(1, PEOPLE + 1)} - {*control, *treated}), treated[0]
    people = plain_people()
    people[held] = people[other]
    for percent in ("40", None):
        hold_out(world, percent)
        control, treated = groups_of(world)
        world.set_people(people, ())
        world.sync()
        assert (people[other][0] in world.ledger()) == (held in treated)
    assert not [reason for reason in shrink_of(world) if "held out" in reason]


def test_who_comes_to_share_a_number_leaves_the_list_and_who_parts_enters_it(world: World) -> None:
    control, treated = groups_of(world)
    people: dict[int, Person] = {key: (f"p{key}@shop-customers.com", None, key) for key in range(1, PEOPLE + 1)}
    for number, listed in (("+12024561111", len(treated) - 1), ("+12024561414", len(treated))):
        people[control[0]] = (None, "(202) 456-1111", 0)
        people[treated[0]] = ("p@shop-customers.com", number, treated[0])
        world.set_people(people, ())
        world.sync()
        assert ("p@shop-customers.com" in world.ledger(), len(world.ledger())) == (listed == len(treated), listed)


def shrink_of(world: World) -> dict[str, Any]:
    planner = Planner(world.runtime, "vips", NOON)
    with world.runtime.engine.connect() as connection:
        return dict(measure_reach(connection, planner, planner.unplanned()).shrink)

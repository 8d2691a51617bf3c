"""What can happen to a list, told once: each kind of plan, answer and interruption, on any warehouse."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.campaigns.refresh import refresh_campaign
from audience_assets.consent.words import unread_words
from audience_assets.destinations.base import ListMissing, ListRef
from audience_assets.forgetting import forget, proofs_of, read_subject
from audience_assets.project.activations import Guard, Mapping
from audience_assets.project.campaigns import Campaign
from audience_assets.sync import (
    GuardTripped,
    campaign_delivery,
    latest_reconciliations,
    latest_syncs,
    open_rejections,
    plan_sync,
    reconcile,
    rejected_rows,
)
from audience_assets.sync.lease import hold_lease
from audience_assets.sync.plan import Planner
from audience_assets.sync.reach import measure_reach, rows_to_send
from audience_assets_tests.sync.declared import GUEST_CHOICES, GUESTS, HOMES, PURCHASES, open_bakery
from audience_assets_tests.sync.live_list import live_lists
from audience_assets_tests.sync.mortal import DEAD_PROCESS, Killed
from audience_assets_tests.sync.vendor import PlainVendor, now, plain_destination
from audience_assets_tests.sync.world import Person, World, make_world

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACTIVATION = """
mapping:
  identifiers: {email: email}
  fields: {visits: visits, spent: spent, city: home.city}
consent: {history: {model: guest_choices}}
options: {consent: true}
guard: {min_size: 0, max_removed_percent: 100}
"""


def people(*keys: int, city: str = "paris") -> dict[int, Person]:
    return {key: (f" P{key}@Example.com", city, key) for key in keys}


def life_of_a_list(folder: Path, engine: sa.Engine) -> None:
    """Consent in a column of the users: first sync to recreated list."""
    guard = Guard(min_size=1, max_removed_percent=60)
    world = make_world(folder, engine, guard=guard, consent=True, batch=4)
    world.vendor.refuse("p2@example.com")
    world.vendor.forget("p3@example.com")
    everybody = people(*range(1, 13)) | {13: (" p1@example.com", "nice", 1), 14: (None, "nice", 1), 15: (" ", "x", 2)}
    world.set_people(everybody, range(1, 16))
    plan_sync(world.runtime, "vips", as_of=now(), sample=2)
    first = world.sync()
    assert (first.rejected, first.absent, first.counts.duplicates) == (1, 1, 1)
    assert plan_sync(world.runtime, "vips", as_of=now()).counts.unidentified == first.counts.unidentified == 2

    _consent_again(world)
    changed = people(*range(4, 21), city="nice") | {2: ("p2@example.com", "x", 1), 5: ("p6@example.com", "x", 1)}
    changed |= {6: ("p5@example.com", "x", 1), 7: ("seven@example.com", "x", 1), 8: ("p9@example.com", "x", 1)}
    world.set_people(changed, range(2, 18))
    _consent_again(world)
    calls = len(world.vendor.calls())
    world.vendor.fail({calls + 1: "before", calls + 3: "after"})
    churned = world.sync()
    assert churned.retry
    assert churned.removed or churned.added

    world.set_people(changed, range(4, 19))
    _interrupted(world)
    recovered = world.sync()
    assert recovered.recovered
    _stopped_by_a_guard(world, changed)
    _recreated(world)
    _with_another_field(world)
    _compared(world)
    with hold_lease(world.runtime.engine, world.runtime.state.destination_list, "vips") as lease:
        lease.beat(world.runtime.engine)
    assert latest_syncs(world.runtime)["vips"]["state"] == "delivered"
    assert latest_reconciliations(world.runtime)["vips"]["applied"]
    open_rejections(world.runtime, "vips")
    rejected_rows(world.runtime, "vips", 10)
    _forgotten(world)


def life_of_a_treatment(folder: Path, engine: sa.Engine) -> None:
    """A campaign's list, with people who share an address with somebody in control."""
    world = make_world(folder, engine)
    runtime, project = world.runtime, world.runtime.project
    groups = [
        {"name": "control", "percent": "50", "control": "true"},
        {"name": "Socks", "percent": "50", "destinations": ["plain"]},
    ]
    spring = Campaign.model_validate({"campaign": "spring", "include": ["vips"], "remaining": {"groups": groups}})
    mapping = Mapping(identifiers={"email": "email", "phone": "city"}, default_region="FR")
    listed = project.effective["vips"].model_copy(update={"audience": "spring.remaining.socks", "mapping": mapping})
    runtime.project = replace(project, campaigns={"spring": spring}, effective={"vips": listed})
    numbers = ("+33142685301", "01 42 68 53 01", "+33142685300", None)
    world.set_people({key: (f"p{key // 2}@example.com", numbers[key % 4], key) for key in range(1, 41)}, ())
    refresh_campaign(engine, runtime.state, runtime.project, "spring", NOON)
    report = world.sync()
    planner = Planner(runtime, "vips", NOON)
    with engine.connect() as connection:
        reach = measure_reach(connection, planner, planner.unplanned())
    assert 0 < reach.rows == report.members_after < reach.customers == 20
    assert reach.shrink["the email of somebody in control"] > 0
    assert reach.shrink["the phone of somebody in control"] > 0
    [told] = campaign_delivery(runtime, "spring").lists
    assert (told.state, told.reach) == ("delivered", reach)


def life_of_another_contact(folder: Path, engine: sa.Engine) -> None:
    """Somebody turns out to be another one than was added."""
    world = make_world(folder, engine)
    world.set_people(people(1, 2, 3), (1, 2, 3))
    world.sync()
    world.vendor.take_for_another("p1@example.com")
    world.set_people(people(1, city="lyon") | people(2, 3), (1, 2, 3))
    assert [world.sync().state for _ in range(3)] == ["partial", "partial", "delivered"]


def _consent_again(world: World) -> None:
    with world.runtime.engine.begin() as connection:
        connection.execute(world.users.update().values(consent_at=datetime.now(UTC).replace(tzinfo=None)))


def _interrupted(world: World) -> None:
    """The process ends between a call and its answer."""
    calls = len(world.vendor.calls())

    def dead(*_: Any) -> None:
        if len(world.vendor.calls()) > calls:
            raise Killed

    sa.event.listen(world.runtime.engine, "before_cursor_execute", dead)
    try:
        with pytest.raises(Killed):
            world.sync()
    finally:
        sa.event.remove(world.runtime.engine, "before_cursor_execute", dead)
    registry = world.runtime.state.destination_list
    with world.runtime.engine.begin() as connection:
        owner = f"{socket.gethostname()}|{DEAD_PROCESS}|killed"
        connection.execute(registry.update().values(lease_owner=owner))


def _stopped_by_a_guard(world: World, everybody: dict[int, Person]) -> None:
    world.set_people(everybody, range(16, 19))
    with pytest.raises(GuardTripped) as stopped:
        world.sync()
    world.sync(approve=stopped.value.plan.fingerprint)


def _recreated(world: World) -> None:
    world.vendor.delete_list()
    world.set_people(people(1, 2), (1, 2))
    with pytest.raises((ListMissing, GuardTripped)):
        world.sync()
    world.sync(recreate=True)


def _with_another_field(world: World) -> None:
    activation = world.runtime.project.effective["vips"]
    mapping = activation.mapping.model_copy(update={"fields": {**activation.mapping.fields, "seen": "consent_at"}})
    world.runtime.project.effective["vips"] = activation.model_copy(update={"mapping": mapping})
    _consent_again(world)
    world.sync()


class Confirming(PlainVendor):
    """Whoever is added joins once they answer a message."""

    def get_list(self, list_id: str) -> ListRef:
        return replace(super().get_list(list_id), confirms=True)


def _compared(world: World) -> None:
    kind = plain_destination()
    services = {n: replace(s, connect=lambda _: Confirming(world.vendor.path)) for n, s in kind.services.items()}
    world.runtime.destinations = {"plain": replace(kind, services=services)}
    assert reconcile(world.runtime, "vips", settling=timedelta(0), apply=True).in_both


def _forgotten(world: World) -> None:
    subject = read_subject(world.runtime.project, "email", "p1@example.com")
    assert forget(world.runtime, subject, erase=True, even_if_listed=True).erased
    with world.runtime.engine.begin() as connection:
        assert proofs_of(connection, world.runtime.state, subject)


def life_of_a_declared_list(folder: Path, engine: sa.Engine) -> None:
    """Consent in a table of events, a calculated field among the mapped ones, the segment computed before each sync."""
    bakery = open_bakery(folder, engine, ACTIVATION)
    with bakery.runtime:
        guests = [{"id": key, "email": f"g{key}@example.com", "household": 1, "visits": 1} for key in range(1, 9)]
        bakery.insert(GUESTS, *guests)
        bakery.insert(PURCHASES, {"id": 1, "guest": 1, "amount": 2.5, "bought_at": NOON})
        _choose(bakery, 1, 1, "subscribed", NOON)
        assert bakery.sync(NOON + timedelta(hours=1)).added == len(guests)
        assert unread_words(bakery.runtime, "guest_choices") == []
        with bakery.runtime.engine.begin() as connection:
            connection.execute(GUESTS.update().where(GUESTS.c.id > 6).values(visits=0))
        bakery.insert(GUESTS, {"id": 9, "email": "g9@example.com", "household": 1, "visits": 1})
        _choose(bakery, 2, 9, "unsubscribed", NOON)
        _looked_at(bakery, NOON + timedelta(hours=2))
        changed = bakery.sync(NOON + timedelta(hours=2))
        assert (changed.added, changed.removed) == (1, 2)


def _looked_at(bakery: Any, as_of: datetime) -> None:
    """What would be sent, counted and shown beforehand."""
    planner = Planner(bakery.runtime, "regulars", as_of)
    with bakery.runtime.engine.connect() as connection:
        assert measure_reach(connection, planner, planner.unplanned()).customers
        assert list(rows_to_send(connection, planner.unplanned(), 3))


def _choose(bakery: Any, number: int, guest: int, status: str, at: datetime) -> None:
    bakery.insert(GUEST_CHOICES, {"id": number, "guest": guest, "channel": "email", "status": status, "chosen_at": at})


def life_of_several_addresses(folder: Path, engine: sa.Engine) -> None:
    """People who are known by each address of another model."""
    said = (
        "mapping: {identifiers: {email: home.contact}}",
        "on_duplicate: expand",
        "guard: {max_removed_percent: 100}",
    )
    bakery = open_bakery(folder, engine, "\n".join(said))
    with bakery.runtime:
        bakery.insert(GUESTS, *({"id": key, "household": key % 3, "visits": 1} for key in range(1, 5)))
        bakery.insert(HOMES, *({"number": key, "contact": f"h{key}@example.com"} for key in range(2)))
        assert bakery.sync(NOON).counts.unidentified == 1
        with bakery.runtime.engine.begin() as connection:
            connection.execute(HOMES.update().where(HOMES.c.number == 1).values(contact="new@example.com"))
        assert plan_sync(bakery.runtime, "regulars", as_of=NOON).counts.unidentified == 1
        changed = bakery.sync(NOON + timedelta(hours=1))
        assert (changed.added, changed.removed) == (1, 1)


def life_of_a_number(folder: Path, engine: sa.Engine) -> None:
    """Its spelling changes, and then its owner is known by an e-mail address."""
    with live_lists(folder, lambda _: engine) as make:
        shop = make("email", "sms")
        shop.choose("email", "sms", default_region="US")
        shop.account.add_profiles([{"email": "ann@example.com", "phone_number": "+12025550101"}])
        for email, phone in ((None, "+12025550101"), (None, "(202) 555-0101"), ("ann@example.com", "2025550101")):
            shop.users({1: {"email": email, "phone": phone}})
            shop.settle()
        shop.account.add_profiles([{"email": "bob@example.com"}])
        shop.users({1: {"email": "bob@example.com", "phone": "2025550101"}})
        shop.settle()
        shop.event(2, "unsubscribed", shop.now.replace(tzinfo=None), "sms")
        both: dict[int, dict[str, str | None]] = {
            1: {"email": "bob@example.com", "phone": "2025550101"},
            2: {"email": None, "phone": "+12025550101"},
        }
        shop.users(both, audience=())
        shop.settle()
        shop.users(both, audience=(1,))
        shop.settle()
        assert len(shop.ledger()) == 1

"""A Klaviyo audience list kept by the engine: planned, delivered, churned, interrupted, reconciled."""

from __future__ import annotations

import random

import pytest

from audience_assets.sandbox import Action, Fault
from audience_assets_tests.sync.audience_shop import AudienceShop, MakeShop, make_shop
from audience_assets_tests.sync.vip_shop import LIST_NAME

__all__ = ["make_shop"]

PEOPLE = 60


def populate(shop: AudienceShop) -> dict[int, str]:
    """User key -> address. A third is known to the vendor, some of these opted in, some out."""
    emails = {key: f"person{key}@shop-customers.com" for key in range(1, PEOPLE + 1)}
    consents = {3: "SUBSCRIBED", 6: "UNSUBSCRIBED"}
    known = [
        {"email": emails[key], "consents": {"email": consents[key]} if key in consents else {}}
        for key in range(3, PEOPLE + 1, 3)
    ]
    shop.account.add_profiles(known)
    shop.people(*({"id": key, "email": email} for key, email in emails.items()))
    return emails


def test_the_list_follows_the_audience_and_consent_is_left_alone(make_shop: MakeShop) -> None:
    shop = make_shop()
    emails = populate(shop)
    foreign = "somebody.else@shop-customers.com"
    adopted = shop.account.create_list(LIST_NAME)
    shop.account.add_profiles([{"email": foreign, "lists": [adopted.id]}])
    before = shop.account.audit
    dice = random.Random(7)
    for day in range(5):
        audience = set(dice.sample(range(1, PEOPLE + 1), 30))
        shop.vips(audience)
        plan = shop.plan()
        report = shop.sync()
        assert (plan.counts.add, plan.counts.remove) == (report.counts.add, report.counts.remove)
        assert shop.listed() == {emails[key] for key in audience} | {foreign}, day
        assert (report.retry, report.absent, report.rejected, report.calls > 0) == (0, 0, 0, True)
    assert shop.account.audit == before
    assert shop.calls("bulk_subscribe_profiles") == shop.calls("bulk_unsubscribe_profiles") == 0
    assert shop.sync().state == "unchanged"


def test_an_unchanged_audience_costs_no_call(make_shop: MakeShop) -> None:
    shop = make_shop()
    populate(shop)
    shop.vips(range(1, 10))
    shop.sync()
    before = len(shop.sandbox.requests)
    assert shop.sync().state == "unchanged"
    assert len(shop.sandbox.requests) == before


def test_a_fault_storm_ends_in_the_right_list(make_shop: MakeShop) -> None:
    shop = make_shop()
    emails = populate(shop)
    dice = random.Random(3)
    for action in (Action.RESET_AFTER, Action.ERROR_AFTER, Action.TRUNCATE, Action.ERROR_BEFORE):
        shop.sandbox.faults.add(Fault(action, "*", probability=0.1))
        shop.vips(dice.sample(range(1, PEOPLE + 1), 30))
        try:
            shop.sync()
        except Exception as error:  # noqa: BLE001 - what exactly depends on where the storm hits
            assert "shop-customers" not in str(error)
    shop.sandbox.faults.clear()
    audience = set(dice.sample(range(1, PEOPLE + 1), 30))
    shop.vips(audience)
    shop.sync()
    shop.sync()
    assert shop.listed() == {emails[key] for key in audience}


def test_a_late_import_brings_nobody_back(make_shop: MakeShop) -> None:
    """The job outlives the sync that started it; who leaves meanwhile is removed once it has landed."""
    shop = make_shop()
    emails = populate(shop)
    shop.account.switches.job_processing = 3600
    shop.vips([1, 2, 3])
    assert shop.sync().retry == 3
    shop.vips([3])
    report = shop.sync()
    assert (report.state, report.counts.remove, report.removed) == ("partial", 2, 0)
    shop.account.finish_jobs()
    shop.account.switches.job_processing = 0.0
    report = shop.sync()
    assert (report.removed, report.added) == (2, 1)
    assert shop.listed() == {emails[3]}


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_late_lost_or_out_of_order_the_list_ends_right(make_shop: MakeShop, seed: int) -> None:
    shop = make_shop()
    emails = populate(shop)
    foreign = "somebody.else@shop-customers.com"
    adopted = shop.account.create_list(LIST_NAME)
    shop.account.add_profiles([{"email": foreign, "lists": [adopted.id]}])
    before, dice = shop.account.audit, random.Random(seed)
    shop.account.switches.delay_jitter = 3600
    losses = (Action.RESET_AFTER, Action.ERROR_AFTER, Action.TRUNCATE)
    for _ in range(5):
        shop.sandbox.faults.clear()
        shop.sandbox.faults.add(Fault(dice.choice(losses), "*profiles*", probability=0.3))
        shop.vips(dice.sample(range(1, PEOPLE + 1), 20))
        shop.sync()
        if dice.random() < 0.5:
            shop.account.finish_jobs()
    shop.sandbox.faults.clear()
    shop.account.switches.delay_jitter = 0.0
    shop.account.finish_jobs()
    audience = dice.sample(range(1, PEOPLE + 1), 20)
    shop.vips(audience)
    shop.sync()
    assert shop.sync().state == "unchanged"
    assert shop.listed() == {emails[key] for key in audience} | {foreign}
    assert shop.account.audit == before


def test_reconciling_finds_who_was_taken_off(make_shop: MakeShop) -> None:
    shop = make_shop()
    emails = populate(shop)
    shop.vips(range(1, 11))
    shop.sync()
    taken = shop.account.find(emails[1])
    assert taken is not None
    shop.account.list_named(LIST_NAME).remove(taken.number)
    found = shop.reconcile()
    assert (found.in_both, found.missing, found.not_ours) == (9, 1, 0)
    assert shop.sync().added == 1
    assert shop.listed() == {emails[key] for key in range(1, 11)}


def test_a_changed_address_moves_the_member(make_shop: MakeShop) -> None:
    shop = make_shop()
    emails = populate(shop)
    shop.vips([1, 2])
    shop.sync()
    shop.move(1, "new@shop-customers.com")
    shop.sync()
    assert shop.listed() == {"new@shop-customers.com", emails[2]}


# -- attributes, from another table than the segment's ----------------------------------------------------------------

SOURCE = """\
    default_attributes:
      model: merged_customers
      identifiers: {phone: phone}
      fields: {first_name: first_name, location.city: city, tier: tier}
"""
ANN = {"id": 1, "email": "ann@shop-customers.com", "phone": "+12025550101", "first_name": "Ann", "tier": "gold"}
BOB = {"id": 2, "email": "bob@shop-customers.com", "city": "Oslo"}


def test_the_default_source_is_joined_by_the_key(make_shop: MakeShop) -> None:
    shop = make_shop(defaults=SOURCE)
    shop.people(ANN, BOB)
    shop.vips([1, 2])
    assert shop.sync().added == 2
    assert shop.profile("ann@shop-customers.com") == {
        "phone_number": "+12025550101",
        "first_name": "Ann",
        "properties": {"tier": "gold"},
    }
    assert shop.profile("bob@shop-customers.com") == {"phone_number": None, "location": {"city": "Oslo"}}


def test_changed_attributes_reach_members_who_stay(make_shop: MakeShop) -> None:
    shop = make_shop(defaults=SOURCE)
    shop.people(ANN, BOB)
    shop.vips([1, 2])
    shop.sync()
    imported = shop.calls("bulk_import_profiles")
    shop.change(1, first_name="Anna", tier=None, city="Bergen")
    report = shop.sync()
    assert (report.updated, report.added, report.removed) == (1, 0, 0)
    found = shop.profile("ann@shop-customers.com")
    assert (found["first_name"], found["location"]["city"]) == ("Anna", "Bergen")
    assert "tier" not in found["properties"]
    assert shop.calls("bulk_import_profiles") == imported + 1
    assert shop.sync().state == "unchanged"


def test_an_activation_maps_more_and_otherwise(make_shop: MakeShop) -> None:
    more = "mapping: {identifiers: {email: email}, fields: {first_name: email, level: merged_customers.tier}}\n"
    shop = make_shop(more, SOURCE)
    shop.people(ANN)
    shop.vips([1])
    shop.sync()
    found = shop.profile("ann@shop-customers.com")
    assert found["first_name"] == "ann@shop-customers.com"
    assert found["properties"] == {"tier": "gold", "level": "gold"}
    effective = shop.runtime.project.effective["vips"]
    assert effective.mapping.fields["tier"] == "merged_customers.tier"
    assert effective.origins["mapping.fields.tier"] == "destinations.yaml:15"
    assert effective.origins["mapping.fields.first_name"] == "activations/vips.yaml:5"


def test_people_may_be_known_by_another_tables_address(make_shop: MakeShop) -> None:
    """The identifier itself is of the other table: planning, counting and reconciling join it."""
    shop = make_shop("", "    default_attributes: {model: merged_customers, identifiers: {email: city}}\n")
    shop.people(ANN | {"city": "Ann@Work.shop-customers.com"}, BOB | {"city": None}, {"id": 3, "email": "x"})
    shop.vips([1, 2, 3])
    report = shop.sync()
    assert (report.added, report.counts.unidentified) == (1, 2)
    assert shop.listed() == {"ann@work.shop-customers.com"}
    shop.change(2, city="ann@work.shop-customers.com")
    shop.vips([2, 3])
    assert shop.sync().counts.remove == 0
    assert shop.listed() == {"ann@work.shop-customers.com"}
    assert (shop.reconcile().in_both, shop.plan().counts.duplicates) == (1, 0)

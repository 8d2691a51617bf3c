"""A Dotdigital list kept by the engine: planned, delivered, churned, interrupted, reconciled."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from audience_assets.errors import ProjectError
from audience_assets.project.cautions import find_cautions
from audience_assets.project.load import load_project
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.dotdigital_world import flip
from audience_assets_tests.sync.dotdigital_shop import DotdigitalShop, MakeShop, make_shop
from audience_assets_tests.sync.vip_shop import LIST_NAME

__all__ = ["make_shop"]

PEOPLE = 60


def populate(shop: DotdigitalShop) -> dict[int, str]:
    """User key -> how the list shows them. A third is known to the vendor; of contact ids all must be."""
    every = range(1, PEOPLE + 1)
    emails = {key: f"person{key}@shop-customers.com" for key in every}
    phones = {key: f"4474001{key:05}" for key in every}
    by_phone = shop.identifier == "phone"
    known = every if shop.identifier == "contact_id" else every[::3]
    rows = [{"mobile": phones[key]} if by_phone else {"email": emails[key]} for key in known]
    ids = dict(zip(known, shop.account.add_contacts(rows), strict=True))
    shop.people(*({"id": k, "email": emails[k], "phone": f"+{phones[k]}", "contact_id": ids.get(k)} for k in every))
    return phones if by_phone else emails


@pytest.mark.parametrize("otherwise", [False, True], ids=["documented", "otherwise"])
@pytest.mark.parametrize("identifier", ["email", "phone", "contact_id"])
def test_the_list_follows_the_audience(make_shop: MakeShop, identifier: str, otherwise: bool) -> None:
    shop = make_shop(identifier)
    if otherwise:
        flip(shop.account.switches)
    shown = populate(shop)
    foreign = "somebody.else@shop-customers.com"
    shop.account.create_list(LIST_NAME)
    shop.account.add_contacts([{"email": foreign, "lists": [shop.list_id]}])
    dice, objectors = random.Random(7), set[int]()
    audience: set[int] = set()
    for day in range(6):
        audience = set(dice.sample(range(1, PEOPLE + 1), 30))
        shop.vips(audience)
        plan = shop.plan()
        report = shop.sync()
        assert (plan.counts.add, plan.counts.remove) == (report.counts.add, report.counts.remove)
        assert shop.listed() == {shown[key] for key in audience - objectors} | {foreign}, day
        assert (report.retry, report.absent, report.calls > 0) == (0, 0, True)
        if identifier != "phone":  # v2 unsubscribes addresses
            gone = min(audience - objectors)
            shop.account.leave_list(shown[gone], shop.list_id)
            objectors.add(gone)
    assert all(change.origin == "person" for change in shop.account.audit)
    # Ids were kept from reports, so nobody was looked for when they left.
    assert shop.calls("get_list") == 5
    assert shop.sync().state == "unchanged"


def test_an_unchanged_audience_costs_no_call(make_shop: MakeShop) -> None:
    shop = make_shop()
    populate(shop)
    shop.vips(range(1, 10))
    shop.sync()
    before = len(shop.sandbox.requests)
    assert shop.sync().state == "unchanged"
    shop.choose("visibility: private")
    assert shop.sync().state == "unchanged"
    assert len(shop.sandbox.requests) == before


def test_the_lists_visibility_follows_the_options_without_other_changes(make_shop: MakeShop) -> None:
    shop = make_shop()
    populate(shop)
    shop.vips(range(1, 10))
    assert shop.sync().list_facts["visibility"] == "private"
    shop.choose("visibility: public")
    report = shop.sync()
    assert (report.state, report.list_facts["visibility"]) == ("unchanged", "public")
    assert shop.account.list_named(LIST_NAME).visibility == "Public"
    before = len(shop.sandbox.requests)
    shop.sync()
    assert len(shop.sandbox.requests) == before


def test_a_visibility_that_somebody_changed_is_set_again(make_shop: MakeShop) -> None:
    shop = make_shop()
    populate(shop)
    shop.choose("visibility: private")
    shop.vips(range(1, 10))
    shop.sync()
    shop.account.list_named(LIST_NAME).visibility = "Public"
    shop.vips(range(1, 11))
    shop.sync()
    assert shop.account.list_named(LIST_NAME).visibility == "Private"


def test_an_outage_in_between_is_made_up_for(make_shop: MakeShop) -> None:
    shop = make_shop()
    shown = populate(shop)
    shop.vips(range(1, 41))
    shop.sandbox.faults.add(Fault(Action.RESET_AFTER, "import_contacts", times=5))
    assert shop.sync().state == "partial"
    shop.sandbox.faults.clear()
    shop.vips(range(21, 61))
    shop.account.finish_jobs()
    assert shop.sync().state == "delivered"
    assert shop.listed() == {shown[key] for key in range(21, 61)}


def test_a_fault_storm_ends_in_the_right_list(make_shop: MakeShop) -> None:
    shop = make_shop()
    shown = populate(shop)
    dice = random.Random(3)
    for action in (Action.RESET_AFTER, Action.ERROR_AFTER, Action.TRUNCATE, Action.ERROR_BEFORE, Action.NOT_APPLIED):
        endpoint = "*_contacts" if action is Action.NOT_APPLIED else "*"
        shop.sandbox.faults.add(Fault(action, endpoint, probability=0.1))
        shop.vips(dice.sample(range(1, PEOPLE + 1), 30))
        try:
            shop.sync()
        except Exception as error:  # noqa: BLE001 - what exactly depends on where the storm hits
            assert "shop-customers" not in str(error)
        shop.account.finish_jobs()
    shop.sandbox.faults.clear()
    audience = set(dice.sample(range(1, PEOPLE + 1), 30))
    shop.vips(audience)
    shop.sync()
    shop.sync()
    assert shop.listed() == {shown[key] for key in audience}


def test_another_identifier_settles_though_everybody_leaves_and_enters_at_once(make_shop: MakeShop) -> None:
    """Imports that ran beside removals put people back, and each asked for the other again in the next sync."""
    shop = make_shop("contact_id")
    shown = populate(shop)
    shop.vips(range(1, PEOPLE + 1))
    shop.sync()
    for identifier in ("email", "contact_id", "email"):
        shop.identifier = identifier
        shop.open()
        shop.sync()
        report = shop.sync()
        assert (report.retry, shop.listed()) == (0, set(shown.values()))
        assert shop.sync().state == "unchanged"


def test_reconciling_finds_who_was_taken_off_and_leaves_who_went(make_shop: MakeShop) -> None:
    shop = make_shop()
    shown = populate(shop)
    shop.vips(range(1, 11))
    shop.sync()
    taken, gone = shop.account.find(shown[1]), shown[2]
    assert taken is not None
    shop.account.list_named(LIST_NAME).remove(taken.id, forgets_opt_out=False)
    shop.account.leave_list(gone, shop.list_id)
    found = shop.reconcile()
    assert (found.in_both, found.missing, found.not_ours) == (8, 2, 0)
    report = shop.sync()
    assert (report.added, report.rejected) == (1, 1)
    assert [row.reason for row in report.rejections] == ["list_opt_out"]
    assert shop.listed() == {shown[key] for key in range(1, 11)} - {gone}


def test_who_can_not_be_reached_is_counted_apart(make_shop: MakeShop) -> None:
    shop = make_shop()
    shown = populate(shop)
    shop.account.opt_out(shown[1])
    shop.vips(range(1, 11))
    report = shop.sync()
    assert (report.added, report.channel_issues) == (10, 1)
    assert [(row.reason, row.channel, row.rows) for row in report.rejections] == [("vendor_opt_out", "email", 1)]
    found = shop.account.find(shown[1])
    assert found is not None
    assert found.email_status == "unsubscribed"


def test_contact_ids_that_nobody_has_are_absent_until_they_are_there(make_shop: MakeShop) -> None:
    shop = make_shop("contact_id")
    shown = populate(shop)
    following = max(shop.account.contacts.ids()) + 1
    shop.people({"id": 99, "email": "late@shop-customers.com", "contact_id": following})
    shop.vips([1, 99])
    assert (shop.sync().absent, shop.listed()) == (1, {shown[1]})
    shop.account.add_contacts([{"email": "late@shop-customers.com"}])
    report = shop.sync()
    assert (report.added, report.counts.retry) == (1, 1)
    assert shop.listed() == {shown[1], "late@shop-customers.com"}


def test_the_ledger_keeps_contact_ids(make_shop: MakeShop) -> None:
    shop = make_shop()
    shown = populate(shop)
    shop.vips([1, 2])
    shop.sync()
    ledger = sa.table(shop.runtime.state.table_name("list_vips"), sa.column("identifier"), sa.column("vendor_id"))
    with shop.runtime.engine.begin() as connection:
        kept = {row[0]: row[1] for row in connection.execute(sa.select(ledger))}
    found = {key: shop.account.find(shown[key]) for key in (1, 2)}
    assert kept == {shown[key]: str(contact.id) for key, contact in found.items() if contact is not None}


# -- what the project check says --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Test", "x" * 129])
def test_a_name_that_dotdigital_would_refuse_is_a_mistake_of_the_project(make_shop: MakeShop, name: str) -> None:
    shop = make_shop()
    path = shop.root / "activations/vips.yaml"
    path.write_text(f"{path.read_text()}list_name: {name}\n")
    with pytest.raises(ProjectError, match="set another list_name"):
        load_project(shop.root)


def test_different_identifiers_in_one_account_are_warned_of(make_shop: MakeShop) -> None:
    shop = make_shop()
    text = (shop.root / "activations/vips.yaml").read_text()
    assert find_cautions(shop.runtime.project, shop.runtime.destinations) == []
    (shop.root / "activations/second.yaml").write_text(text.replace("email", "phone") + "list_name: Second\n")
    shop.choose()
    [caution] = find_cautions(shop.runtime.project, shop.runtime.destinations)
    assert caution.check == "different identifiers"
    assert set(caution.activations) == {"vips", "second"}
    assert "vips by email" in caution.message
    assert "contact_id where the warehouse has" in caution.message

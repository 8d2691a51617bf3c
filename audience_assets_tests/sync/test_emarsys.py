"""An Emarsys contact list through the engine: a declared project, churn, faults, crashes, hands at the vendor."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.destinations.base import ListMissing, Throttled, Unavailable
from audience_assets.errors import ProjectError
from audience_assets.project.load import load_project
from audience_assets.sandbox import Action, Fault
from audience_assets.sandbox.emarsys import EmarsysSwitches
from audience_assets.sync import open_rejections, plan_sync, run_sync
from audience_assets_tests.sync.emarsys_shop import ACTIVATION, LIST_NAME, Bookshop, open_bookshop
from audience_assets_tests.vendors.shop import PROJECT

PEOPLE = [f"reader{number}@bookshop-customers.com" for number in range(40)]
ADD, REMOVE = "addContactsToContactList", "removeContactsFromContactList"
Open = Callable[..., Bookshop]


@pytest.fixture
def bookshop(tmp_path: Path, make_warehouse: Callable[[str], sa.Engine]) -> Iterator[Open]:
    opened: list[Bookshop] = []

    def make(**given: Any) -> Bookshop:
        opened.append(open_bookshop(tmp_path / "project", make_warehouse("sqlite"), **given))
        return opened[-1]

    yield make
    for each in opened:
        each.runtime.close()
        each.sandbox.stop()


def test_a_list_follows_its_audience(bookshop: Open) -> None:
    shop = bookshop()
    shop.know(*PEOPLE[:30])
    shop.readers(PEOPLE[:35])
    plan = plan_sync(shop.runtime, ACTIVATION, as_of=shop.runtime.now())
    assert (plan.counts.add, plan.list_exists) == (35, False)
    assert shop.account.lists == [], "a plan writes nothing at the vendor"

    first = shop.sync()
    assert (first.added, first.absent, first.rejected, first.members_after) == (30, 5, 0, 30)
    assert shop.listed() == sorted(PEOPLE[:30])
    again = shop.sync()
    assert (again.added, again.removed, again.absent) == (0, 0, 5), "absent people are asked for again"

    # Ten leave, one has a new address, the unknown become known, Bob's spelling changes.
    shop.know(*PEOPLE[30:35], "new@bookshop-customers.com")
    shop.readers([*PEOPLE[10:34], "new@bookshop-customers.com", PEOPLE[34].upper()])
    churn = shop.sync()
    assert (churn.added, churn.removed, churn.absent) == (6, 10, 0)
    assert shop.listed() == sorted([*PEOPLE[10:35], "new@bookshop-customers.com"])
    assert len(shop.account.contacts) == 36, "nobody was created or deleted"
    assert shop.sync().state == "unchanged"


def test_members_whom_we_did_not_add_stay(bookshop: Open) -> None:
    shop = bookshop()
    shop.know(*PEOPLE[:5])
    made = shop.account.create_list(LIST_NAME.upper())
    made.add([contact.id for email in PEOPLE[:2] for contact in shop.account.find(email)])
    shop.readers(PEOPLE[1:4])
    shop.sync()
    assert [each.id for each in shop.account.lists] == [made.id], "the list of the name is adopted"
    shop.readers(PEOPLE[3:4])
    shop.sync()
    emails = {each.email for each in shop.account.members(made.id)}
    assert emails == {PEOPLE[0], PEOPLE[3]}, "the first one is somebody else's"


def test_shared_addresses_are_told_and_mended_at_the_vendor(bookshop: Open) -> None:
    shop = bookshop()
    shop.know(*PEOPLE[:3], PEOPLE[0])
    shop.readers(PEOPLE[:3])
    assert (shop.sync().added, shop.listed()) == (2, PEOPLE[1:3])
    [row] = open_rejections(shop.runtime, ACTIVATION)
    assert (row.reason, row.channel, row.rows, row.recheck) == ("several_contacts", "email", 1, "next_sync")
    shop.account.contacts.delete(shop.account.find(PEOPLE[0])[0])
    assert shop.sync().added == 1
    assert open_rejections(shop.runtime, ACTIVATION) == []
    assert shop.listed() == PEOPLE[:3]


def test_or_are_added_all_and_leave_all(bookshop: Open) -> None:
    shop = bookshop(options={"duplicates": "add_all"})
    shop.know(*PEOPLE[:3], PEOPLE[0])
    shop.readers(PEOPLE[:3])
    shop.sync()
    assert shop.listed() == sorted([*PEOPLE[:3], PEOPLE[0]])
    found = shop.reconcile()
    assert (found.missing, found.not_ours) == (0, 0)
    shop.readers(PEOPLE[1:3])
    shop.sync()
    assert shop.listed() == PEOPLE[1:3]


def test_who_was_taken_off_by_hand_comes_back_and_strangers_are_left_alone(bookshop: Open) -> None:
    shop = bookshop()
    shop.know(*PEOPLE[:5])
    shop.readers(PEOPLE[:3])
    shop.sync()
    found = shop.account.list_named(LIST_NAME)
    found.remove([shop.account.find(PEOPLE[0])[0].id])
    found.add([shop.account.find(PEOPLE[4])[0].id])
    seen = shop.reconcile()
    assert (seen.at_vendor, seen.missing, seen.not_ours) == (3, 1, 1)
    assert shop.sync().added == 1
    assert shop.listed() == sorted([*PEOPLE[:3], PEOPLE[4]])


@pytest.mark.parametrize("seed", range(2))
def test_a_storm_delays_and_corrupts_nothing(bookshop: Open, seed: int) -> None:
    """Outages, resets, lost answers and cut ones, until the last, calm sync."""
    dice = random.Random(seed)
    shop = bookshop(rate_limits=False, switches=EmarsysSwitches(count_repeated=bool(seed % 2)))
    shop.know(*PEOPLE[:36], *PEOPLE[:2])
    stranger = "stranger@bookshop-customers.com"
    shop.know(stranger)
    shop.readers(PEOPLE[:20])
    shop.sync()
    shop.account.list_named(LIST_NAME).add([shop.account.find(stranger)[0].id])
    storm = (Action.ERROR_BEFORE, Action.ERROR_AFTER, Action.RESET_BEFORE, Action.RESET_AFTER, Action.TRUNCATE)
    for action in storm:
        shop.sandbox.faults.add(Fault(action, probability=0.12))
    audience: list[str] = []
    for _ in range(6):
        audience = dice.sample(PEOPLE, dice.randint(5, 35))
        shop.readers(audience)
        # Where the vendor is not reached at all, the next sync goes on.
        with contextlib.suppress(Unavailable, Throttled):
            shop.sync()
    shop.sandbox.faults.clear()
    shop.sync()
    expected = {each for each in audience if each in PEOPLE[2:36]} | {stranger}
    assert shop.listed() == sorted(expected)
    assert len(shop.account.contacts) == 39
    assert shop.sync().retry == 0


@pytest.mark.parametrize("call", [ADD, REMOVE])
def test_a_lost_answer_is_made_up_for(bookshop: Open, call: str) -> None:
    shop = bookshop()
    shop.know(*PEOPLE[:10])
    shop.readers(PEOPLE[:6])
    shop.sync()
    shop.sandbox.faults.add(Fault(Action.RESET_AFTER, call, times=3))
    shop.readers(PEOPLE[3:9])
    shop.sync()
    shop.sync()
    assert shop.listed() == PEOPLE[3:9]


def test_a_deleted_list_is_no_reason_to_make_another(bookshop: Open) -> None:
    shop = bookshop()
    shop.know(*PEOPLE[:3])
    shop.readers(PEOPLE[:3])
    shop.sync()
    shop.account.delete_list(shop.account.list_named(LIST_NAME))
    shop.readers(PEOPLE[:2])
    with pytest.raises(ListMissing):
        shop.sync()
    assert shop.account.lists == []
    run_sync(shop.runtime, ACTIVATION, as_of=shop.runtime.now(), recreate=True)
    assert shop.listed() == PEOPLE[:2]


@pytest.mark.parametrize("lines", ["client_id: {env: ID}", "client_secret: {env: SECRET}", "username: shop001"])
def test_half_a_pair_of_credentials_is_noticed_before_the_environment_is_read(tmp_path: Path, lines: str) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT)
    (tmp_path / "destinations.yaml").write_text(f"destinations:\n  emarsys:\n    type: emarsys\n    {lines}\n")
    with pytest.raises(ProjectError, match="needs client_id and client_secret, or"):
        load_project(tmp_path)


def test_doctor_finds_a_new_shop_well(bookshop: Open) -> None:
    shop = bookshop()
    found = list(shop.runtime.service(ACTIVATION).check(LIST_NAME))
    assert all(each.ok for each in found), found
    assert shop.account.lists == []
